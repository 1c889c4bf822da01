import { systemClock, systemTimers, type Result } from '@millrace/kernel';
import { apiKeyOptions, findApiKey } from '../api-key.ts';
import { type ApiFault } from '../ask-api.ts';
import { exitCode, type Args, type Context, type OptionSpec } from '../command.ts';
import { urlOf } from '../endpoints.ts';
import { Progress, grouped } from '../progress.ts';
import { listAll } from '../transfer/export-run.ts';
import { askSteadily, type Api } from '../transfer/steady-api.ts';
import {
  chainOf,
  chainLines,
  isWhole,
  markOf,
  totalLine,
  type ChainPageAnswer,
  type WholeChain,
} from './chain-report.ts';

export const chainOptions: readonly OptionSpec[] = [
  {
    name: 'chain',
    help:
      'Checks what is archived of CONVERSATION, or of all conversations: each part is bound to the one before it and to its ' +
      'entries, also to those that were erased since. Needs an API key with the scope admin.',
  },
  {
    name: 'expect',
    value: 'GEN-SEQ:LINK',
    several: true,
    help:
      'With --chain CONVERSATION: a mark that an earlier check printed. It must still be there, so that nothing up to it was ' +
      'exchanged, the chain along with it.',
  },
  ...apiKeyOptions.filter(({ name }) => name === 'key'),
];

const isPage = (value: unknown): value is ChainPageAnswer =>
  Array.isArray((value as Partial<ChainPageAnswer> | null)?.marks);

async function wholeChain(api: Api, conversation: string): Promise<Result<WholeChain, ApiFault>> {
  const pages: ChainPageAnswer[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`;
    const path = `/api/v1/conversations/${encodeURIComponent(conversation)}/chain${query}`;
    const page: Result<ChainPageAnswer, ApiFault> = await askSteadily(api, { path, isAnswer: isPage });
    if (!page.ok) return page;
    pages.push(page.value);
    cursor = page.value.next;
  } while (cursor !== null);
  return { ok: true, value: chainOf(conversation, pages) };
}

/** Checks the chains of conversations; every place where one is broken is told. */
export async function runChain(args: Args, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  const [only, ...more] = args.words;
  if (more.length > 0) return told('verify --chain takes one CONVERSATION, or none for all of them.', exitCode.misused);
  const expected = args.texts('expect').map((text) => ({ text, mark: markOf(text) }));
  const wrong = expected.find(({ mark }) => mark === null);
  if (wrong !== undefined)
    return told(
      `--expect takes a mark as verify --chain prints it, GEN-SEQ:LINK, got "${wrong.text}".`,
      exitCode.misused,
    );
  if (expected.length > 0 && only === undefined)
    return told('--expect goes with --chain CONVERSATION.', exitCode.misused);
  const url = urlOf(args, environment);
  if (!url.ok) return told(url.error, exitCode.misused);
  const key = findApiKey(args, environment);
  if (!key.ok) return told(key.error, exitCode.misused);
  const api = { url: url.value, key: key.value, terminal };

  const conversations = only === undefined ? await listAll(api) : { ok: true as const, value: [only] };
  if (!conversations.ok) return told(conversations.error, exitCode.failed);
  const progress = new Progress(
    { terminal, clock: systemClock, timers: systemTimers },
    'checked conversations',
    conversations.value.length,
  );
  const chains: WholeChain[] = [];
  try {
    for (const conversation of conversations.value) {
      const chain = await wholeChain(api, conversation);
      progress.add(1);
      // Of all: it may be gone by now, or be one that is being imported.
      const isGone = !chain.ok && only === undefined && chain.error.status === 404;
      if (!chain.ok && !isGone)
        return told(`${conversation} cannot be checked: ${chain.error.message}`, exitCode.failed);
      if (chain.ok) chains.push(chain.value);
    }
  } finally {
    progress.end();
  }
  let isClean = true;
  for (const chain of chains) {
    const missing = expected.flatMap(({ text, mark }) =>
      mark !== null && chain.marks.has(mark) ? [] : [`${chain.conversation}: the mark ${text} is not in its chain`],
    );
    if (only !== undefined) for (const line of chainLines(chain)) terminal.out(line);
    for (const { gen, first, last, why } of chain.broken)
      terminal.note(
        `${chain.conversation} is broken at ${String(gen)}-${String(first)} to ${String(gen)}-${String(last)}: ${why}`,
      );
    for (const line of missing) terminal.note(line);
    isClean = isClean && isWhole(chain) && missing.length === 0;
  }
  terminal.out(totalLine(chains, grouped));
  return isClean ? exitCode.done : exitCode.failed;
}
