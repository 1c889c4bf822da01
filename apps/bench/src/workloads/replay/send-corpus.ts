import { writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { cpuMicrosOf, sumOver } from '../../measure/proc-stat.ts';
import type { BenchOptions } from '../../options.ts';
import { runProgram, type ProgramEnd } from '../../processes/program.ts';
import type { Target } from '../../processes/server-process.ts';
import type { BenchHost } from '../bench-host.ts';
import type { CpuCost } from '../part-result.ts';
import { runName } from '../run-name.ts';
import { madeCorpus } from './made-corpus.ts';
import { replayedLine } from './replay-lines.ts';

const MADE_MESSAGES = 50_000;

export interface Corpus {
  readonly file: string;
  /** For people. */
  readonly what: string;
}

/**
 * The corpus that was named, or one that is made.
 *
 * @param channelsOf - of a made one, by its messages; left out, a hundred.
 */
export function corpusIn(
  dir: string,
  { corpus, scale }: Pick<BenchOptions, 'corpus' | 'scale'>,
  channelsOf?: (messages: number) => number,
): Corpus {
  if (corpus !== null) return { file: resolve(corpus), what: basename(corpus) };
  const messages = Math.max(100, Math.round(MADE_MESSAGES * scale));
  const file = join(dir, 'corpus.jsonl');
  writeFileSync(
    file,
    `${madeCorpus(messages, channelsOf?.(messages))
      .map((line) => JSON.stringify(line))
      .join('\n')}\n`,
  );
  return { file, what: `${String(messages)} made-up messages` };
}

export const brokenOff = (what: string, { code, notes }: ProgramEnd): Error =>
  new Error(`${what} ended with exit code ${String(code)}; its last words:\n${notes.join('\n')}`);

export interface SentCorpus {
  readonly messages: number;
  readonly perSecond: number;
  readonly cpuMicrosPerMessage: CpuCost;
  /** What was acknowledged. */
  readonly ledger: string;
  /** Options by which `millrace verify` finds the ledger and the server. */
  readonly options: readonly string[];
}

/** Sends the corpus by the command line's own replay; in the directory are its ledger and the secret that signs tokens. */
export async function sendCorpus(target: Target, { file }: Corpus, dir: string, host: BenchHost): Promise<SentCorpus> {
  const run = runName();
  const secretFile = join(dir, `${run}.secret`);
  writeFileSync(secretFile, target.secret, { mode: 0o600 });
  const ledger = join(dir, `${run}.jsonl`);
  const options = ['--url', target.url, '--token-secret-file', secretFile, '--data-dir', dir, '--ledger', ledger];
  const reading = () => ({
    node: sumOver(target.serverPids, cpuMicrosOf),
    redis: sumOver(target.redisPids, cpuMicrosOf),
  });
  const before = reading();
  const sent = await runProgram({
    bundle: host.cliBundle,
    args: ['replay', file, '--run', run, ...options],
    onNote: () => undefined,
    onStop: host.onStop,
  });
  const after = reading();
  const replayed = replayedLine(sent.out);
  if (replayed === null || sent.code !== 0) throw brokenOff('millrace replay', sent);
  const { messages, perSecond } = replayed;
  const each = (from: number | null, to: number | null): number | null =>
    from === null || to === null || messages === 0 ? null : (to - from) / messages;
  return {
    messages,
    perSecond,
    cpuMicrosPerMessage: {
      node: each(before.node, after.node),
      redis: each(before.redis, after.redis),
      load: each(0, sent.cpuMicros),
    },
    ledger,
    options,
  };
}
