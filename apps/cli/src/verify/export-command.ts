import { resolve } from 'node:path';
import { systemClock, systemTimers } from '@millrace/kernel';
import { findApiKey } from '../api-key.ts';
import { exitCode, type Args, type Context, type OptionSpec } from '../command.ts';
import { urlOf } from '../endpoints.ts';
import { Progress, grouped } from '../progress.ts';
import { pagesOf } from '../transfer/export-run.ts';
import { linkBehindAll, NO_ENTRIES } from '../transfer/line-chain.ts';
import { checkExport, type ExportedChain } from './export-check.ts';

export const exportOptions: readonly OptionSpec[] = [
  {
    name: 'export',
    value: 'FILE',
    help: 'Checks what `millrace export` wrote: that the entries in it are those that were exported. No server is asked.',
  },
  {
    name: 'compare',
    help: 'With --export: and that the server has the same entries, as behind an import. Needs an API key with the scope admin.',
  },
];

/** Why the server has other entries of a conversation; null when they are the same. */
async function difference(
  api: Parameters<typeof pagesOf>[0],
  { conversation, link }: ExportedChain,
): Promise<string | null> {
  let there = NO_ENTRIES;
  for await (const page of pagesOf(api, conversation)) {
    if (!page.ok) return `${conversation} cannot be compared: ${page.error.message}`;
    there = linkBehindAll(there, page.value.lines);
  }
  return there === link ? null : `${conversation}: the server has other entries than the file`;
}

/** Checks an exported file, and compares it with what a server has. */
export async function runExportCheck(args: Args, file: string, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  if (args.words.length > 0) return told('verify --export takes options only.', exitCode.misused);
  const parts = { terminal, clock: systemClock, timers: systemTimers };
  const lines = new Progress(parts, 'read lines', 0);
  const checked = await checkExport(resolve(file), (count) => {
    lines.add(count);
  }).finally(() => {
    lines.end();
  });
  if (!checked.ok) return told(checked.error, exitCode.failed);
  const { conversations, faults, unbound } = checked.value;
  const problems = [...faults];
  if (args.flag('compare')) {
    const url = urlOf(args, environment);
    if (!url.ok) return told(url.error, exitCode.misused);
    const key = findApiKey(args, environment);
    if (!key.ok) return told(key.error, exitCode.misused);
    const compared = new Progress(parts, 'compared conversations', conversations.length);
    for (const one of conversations) {
      const problem = await difference({ url: url.value, key: key.value, terminal }, one);
      if (problem !== null) problems.push(problem);
      compared.add(1);
    }
    compared.end();
  }
  for (const problem of problems) terminal.note(problem);
  if (unbound > 0)
    terminal.note(`${grouped(unbound)} conversations were exported without a chain: nothing binds their entries.`);
  const entries = conversations.reduce((sum, one) => sum + one.entries, 0);
  terminal.out(
    `checked ${grouped(conversations.length)} conversations with ${grouped(entries)} entries: ${grouped(problems.length)} faults`,
  );
  return problems.length === 0 ? exitCode.done : exitCode.failed;
}
