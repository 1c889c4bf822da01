import { once } from 'node:events';
import { createReadStream, createWriteStream, openSync, readSync, closeSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { Random } from '@millrace/kernel';
import type { BenchOptions } from '../../options.ts';
import { madeCorpus, type CorpusMessage } from '../replay/made-corpus.ts';
import { Sample, type Said } from './search-questions.ts';

/** Who wrote once in every channel, so that the import makes a member of all of them. */
export const READER = 'bench-reader';
const MADE_MESSAGES = 50_000;
const MADE_MESSAGES_LONG = 2_000_000;
const MADE_AT_ONCE = 10_000;
const SAMPLE = 20_000;

export interface SearchCorpus {
  readonly file: string;
  /** For people. */
  readonly what: string;
  readonly messages: number;
  readonly channels: number;
  readonly textBytes: number;
  /** Some of them, for questions. */
  readonly sample: readonly Said[];
}

async function* linesOf(path: string): AsyncGenerator<CorpusMessage> {
  const start = Buffer.alloc(2);
  const file = openSync(path, 'r');
  readSync(file, start);
  closeSync(file);
  const bytes = createReadStream(path);
  const input = start[0] === 0x1f && start[1] === 0x8b ? bytes.pipe(createGunzip()) : bytes;
  for await (const line of createInterface({ input })) if (line !== '') yield JSON.parse(line) as CorpusMessage;
}

async function* made(messages: number): AsyncGenerator<CorpusMessage> {
  for (let from = 0; from < messages; from += MADE_AT_ONCE)
    yield* await Promise.resolve(madeCorpus(Math.min(MADE_AT_ONCE, messages - from), undefined, from));
}

/** Every text of it, in order, some at a time. */
export async function* textsIn({ file }: SearchCorpus): AsyncGenerator<readonly string[]> {
  let some: string[] = [];
  for await (const { text } of linesOf(file)) {
    some.push(text);
    if (some.length < MADE_AT_ONCE) continue;
    yield some;
    some = [];
  }
  yield some;
}

/** One file of the corpora that were named, with commas between them, or of one that is made. */
export async function searchCorpusIn(
  dir: string,
  { corpus, scale, long }: Pick<BenchOptions, 'corpus' | 'scale' | 'long'>,
  random: Random,
): Promise<SearchCorpus> {
  const count = Math.max(100, Math.round((long ? MADE_MESSAGES_LONG : MADE_MESSAGES) * scale));
  const named = corpus?.split(',') ?? [];
  const sources = corpus === null ? [made(count)] : named.map((path) => linesOf(resolve(path)));
  const file = join(dir, 'search-corpus.jsonl');
  const output = createWriteStream(file);
  const sample = new Sample<Said>(random, SAMPLE);
  const channels = new Set<string>();
  let [messages, textBytes] = [0, 0];
  const add = async (line: CorpusMessage): Promise<void> => {
    messages += 1;
    textBytes += Buffer.byteLength(line.text);
    if (!output.write(`${JSON.stringify(line)}\n`)) await once(output, 'drain');
  };
  for (const source of sources) {
    for await (const line of source) {
      await add(line);
      sample.add({ from: line.from, text: line.text });
      if (channels.has(line.channel)) continue;
      channels.add(line.channel);
      await add({ ...line, from: READER, text: 'hello from the reader' });
    }
  }
  output.end();
  await once(output, 'close');
  const what = corpus === null ? `${String(count)} made-up messages` : named.map((path) => basename(path)).join(', ');
  return { file, what, messages, channels: channels.size, textBytes, sample: sample.taken };
}
