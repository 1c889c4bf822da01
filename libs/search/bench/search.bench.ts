/**
 * How fast the embedded search index takes messages, and how fast it finds them; its engine's own bulk insert and query
 * beside it, in the same run, interleaved; and whether words of two characters are all found. Not measured: Typesense, the
 * way of a query through a server, a cold disk.
 *
 *     node search.bench.mjs [--corpus FILE]… [--generate COUNT] [--limit COUNT] [--rounds 5] [--queries 200]
 *
 * A corpus has one JSON object a line, gzipped or plain: `{"channel", "at", "from", "text"}`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import Database from 'libsql';
import {
  generation,
  parseConversationId,
  parseUserId,
  partitionId,
  seededRandom,
  sequenceId,
  type ConversationId,
  type Result,
} from '@millrace/kernel';
import { SqliteSearch } from '../src/node/sqlite/sqlite-search.ts';
import type { SearchDocument, SearchQuery } from '../src/search-index.ts';

const { values } = parseArgs({
  options: {
    corpus: { type: 'string', multiple: true, default: [] },
    generate: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '5' },
    queries: { type: 'string', default: '200' },
    limit: { type: 'string', default: 'Infinity' },
    program: { type: 'string', default: 'dist/search-worker.mjs' },
  },
});
const BATCH = 500;
const SCOPE = 500;
const rounds = Number(values.rounds);
const queries = Number(values.queries);
const random = seededRandom(7);

function valueOf<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error(JSON.stringify(result.error));
}

interface Line {
  readonly channel: string;
  readonly at: string;
  readonly from: string;
  readonly text: string;
}

const idOf = (text: string): string => text.replace(/[^A-Za-z0-9._~-]/g, '-').slice(0, 60) || '-';

function* linesOf(file: string): Generator<Line> {
  const bytes = readFileSync(file);
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString();
  for (const [number, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const { channel, at, from, text: said } = JSON.parse(line) as Partial<Line>;
    if (channel === undefined || at === undefined || from === undefined || said === undefined) {
      throw new Error(`${file}, line ${String(number + 1)}: channel, at, from and text are needed`);
    }
    yield { channel, at, from, text: said };
  }
}

/** Words of a language that is made up: some are frequent, most are rare. */
function* generated(count: number): Generator<Line> {
  const word = (): string => `w${Math.floor(60_000 ** random.fraction()).toString(36)}`;
  for (let at = 0; at < count; at += 1) {
    const text = Array.from({ length: 4 + (random.uint32() % 12) }, word).join(' ');
    const channel = `made-${String(random.uint32() % 2_000)}`;
    const from = `user-${String(random.uint32() % 5_000)}`;
    yield { channel, at: new Date(1.6e12 + at * 1_000).toISOString(), from, text };
  }
}

const heads = new Map<string, number>();
const documents: SearchDocument[] = [];
function take(lines: Iterable<Line>): void {
  for (const { channel, at, from, text } of lines) {
    const seq = (heads.get(channel) ?? 0) + 1;
    heads.set(channel, seq);
    documents.push({
      conversation: valueOf(parseConversationId(idOf(channel))),
      gen: generation(1),
      seq: sequenceId(seq),
      rev: 0,
      sender: valueOf(parseUserId(idOf(from))),
      type: 'text',
      at: Date.parse(at),
      text,
      mentions: [],
      mentionAll: false,
      fields: {},
    });
  }
}
for (const file of values.corpus) take(linesOf(file));
take(generated(Number(values.generate)));
documents.length = Math.min(documents.length, Number(values.limit));
if (documents.length === 0) throw new Error('name a corpus, or how many messages to make up');

const conversations = [...new Set(documents.map(({ conversation }) => conversation))];
const scopeOf = (some: readonly ConversationId[]): SearchQuery['scope'] =>
  some.map((conversation) => ({ conversation, visible: [{ from: sequenceId(1), to: sequenceId(2 ** 40) }] }));

const inOrder = (numbers: readonly number[]): readonly number[] => [...numbers].sort((one, other) => one - other);
const quantile = (numbers: readonly number[], part: number): number =>
  inOrder(numbers)[Math.floor((numbers.length - 1) * part)] ?? NaN;
/** CPU time of all threads of this process so far, in microseconds: other work on the machine hardly moves it. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function timed(count: number, work: (at: number) => unknown): Promise<string> {
  const times: number[] = [];
  const before = cpuMicros();
  for (let at = 0; at < count; at += 1) {
    const since = performance.now();
    await work(at);
    times.push(performance.now() - since);
  }
  const cpu = ((cpuMicros() - before) / count).toFixed(0);
  return `p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms, CPU ${cpu} µs each`;
}

/** What is looked for, by what it is; each is in some message. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp, cut: (found: string) => string])[] = [
  ['a word', /[a-zA-Z0-9]{4,}/gu, (found) => found],
  ['two words', /[a-zA-Z0-9]{3,} [a-zA-Z0-9]{3,}/gu, (found) => found],
  ['the beginning of a word, three letters', /[a-zA-Z]{4,}/gu, (found) => found.slice(0, 3)],
  ['two characters of Chinese or Japanese', /[\p{sc=Han}\p{sc=Hiragana}]{2}/gu, (found) => found],
  ['two characters of Korean', /\p{sc=Hangul}{2}/gu, (found) => found],
  ['one character of Chinese or Japanese', /\p{sc=Han}/gu, (found) => found],
];

function textsFor(pattern: RegExp, cut: (found: string) => string): readonly string[] {
  const some: string[] = [];
  for (let tries = 0; some.length < queries && tries < queries * 500; tries += 1) {
    const all = documents[random.uint32() % documents.length]?.text.match(pattern) ?? [];
    const found = all[random.uint32() % Math.max(1, all.length)];
    if (found !== undefined) some.push(cut(found));
  }
  return some;
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-search-bench-'));
try {
  const sizes = `${documents.length.toLocaleString('en')} messages in ${String(conversations.length)} conversations`;
  console.log(`${sizes}, Node ${process.version}`);
  const program = pathToFileURL(values.program);
  const index = valueOf(await SqliteSearch.open({ directory: join(directory, 'index'), program }));
  const floor = new Database(join(directory, 'floor.sqlite'));
  floor.pragma('journal_mode = WAL');
  floor.exec('PRAGMA synchronous = NORMAL');
  floor.exec("CREATE VIRTUAL TABLE floor USING fts5 (text, content = '', contentless_delete = 1)");
  const insert = floor.prepare('INSERT INTO floor (rowid, text) VALUES (?, ?)');

  const laps: { readonly seconds: number; readonly cpu: number }[][] = [[], []];
  const part = Math.ceil(documents.length / rounds);
  let cursor: string | null = null;
  for (let round = 0; round < rounds; round += 1) {
    const some = documents.slice(round * part, (round + 1) * part);
    let since = performance.now();
    let before = cpuMicros();
    const lap = (side: number): void => {
      const seconds = (performance.now() - since) / 1_000 / some.length;
      laps[side]?.push({ seconds, cpu: (cpuMicros() - before) / some.length });
      since = performance.now();
      before = cpuMicros();
    };
    for (let from = 0; from < some.length; from += BATCH) {
      floor.exec('BEGIN');
      for (const [at, { text }] of some.slice(from, from + BATCH).entries())
        insert.run(round * part + from + at + 1, text);
      floor.exec('COMMIT');
    }
    lap(0);
    for (let from = 0; from < some.length; from += BATCH) {
      const changes = some.slice(from, from + BATCH).map((document) => ({ kind: 'put' as const, document }));
      const next = `${String(round)}-${String(from)}`;
      valueOf(await index.apply({ partition: partitionId(1), after: cursor, cursor: next, changes, through: [] }));
      cursor = next;
    }
    lap(1);
  }
  for (const [side, name] of ['FTS5 alone', 'the index'].entries()) {
    const of = laps[side] ?? [];
    const rate =
      1 /
      quantile(
        of.map(({ seconds }) => seconds),
        0.5,
      );
    const cpu = quantile(
      of.map((lapOf) => lapOf.cpu),
      0.5,
    );
    console.log(`in, ${name}: ${rate.toFixed(0)} messages/s, CPU ${cpu.toFixed(0)} µs each`);
  }
  const { messages, diskBytes } = valueOf(await index.stats());
  if (messages !== documents.length) throw new Error(`${String(messages)} of ${String(documents.length)} are indexed`);
  const textBytes = documents.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  const each = (bytes: number): string => (bytes / messages).toFixed(0);
  console.log(`on disk: ${each(diskBytes ?? 0)} bytes a message, of ${each(textBytes)} bytes of text`);

  const all = scopeOf(conversations.slice(0, SCOPE));
  const one = scopeOf(conversations.slice(0, 1));
  const select = floor.prepare('SELECT rowid FROM floor WHERE floor MATCH ? ORDER BY rowid DESC LIMIT 50');
  for (const [kind, pattern, cut] of KINDS) {
    const texts = textsFor(pattern, cut);
    if (texts.length < queries / 4) continue;
    const textAt = (at: number): string => texts[at % texts.length] ?? '';
    const ask = (scope: SearchQuery['scope'], sort: SearchQuery['sort']) => async (at: number) =>
      valueOf(await index.search({ scope, text: textAt(at), sort, limit: 50 }));
    const plain = (at: number): unknown => {
      const words = textAt(at)
        .split(' ')
        .map((word) => `"${word}"`);
      return select.all(words.join(' ') + (kind.startsWith('the beginning') ? ' *' : ''));
    };
    await timed(20, ask(all, 'time'));
    console.log(`${kind}:`);
    console.log(`  by time, in ${String(all.length)} conversations: ${await timed(queries, ask(all, 'time'))}`);
    console.log(`  by relevance, in as many: ${await timed(queries, ask(all, 'relevance'))}`);
    console.log(`  by time, in one conversation: ${await timed(queries, ask(one, 'time'))}`);
    console.log(`  FTS5 alone, the last 50 of everybody: ${await timed(queries, plain)}`);
    if (!kind.includes('character')) continue;
    let found = 0;
    let expected = 0;
    for (const text of new Set(texts)) {
      const { total } = valueOf(await index.search({ scope: scopeOf(conversations), text, sort: 'time', limit: 1 }));
      found += total;
      expected += documents.filter((document) => document.text.includes(text)).length;
    }
    console.log(
      `  found ${String(found)} of ${String(expected)} messages that have them: ${(found / expected).toFixed(3)}`,
    );
  }
  await index.close();
  floor.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
