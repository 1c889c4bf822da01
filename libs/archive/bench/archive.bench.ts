/**
 * What the archives cost: messages a second in, a page of 50 at a random place, and bytes a message on disk.
 *
 * Measured: each archive behind its port, with 200,000 messages (`--messages N`) in 200 conversations, chunks of 50, 20 of
 * them an append; then pages of 50 that begin at a random seq, one at a time, forward and backward in turn. The entries
 * have the fields of a stored message (13 to 30 bytes beside sender and text); their texts are those of `--corpus FILE`
 * (a JSON object with `from` and `text` on each line, gzipped or not), else made up.
 *
 * The floor is the library's own range read: a table with a row for each message, found by an index, the 50 rows of the page
 * by one prepared SELECT on this thread (SQLite) or on one connection (PostgreSQL); filled in transactions of as many
 * messages as the archive's. It compresses nothing, checks nothing and waits for no other thread. The floor and the
 * archive are asked in turn, round by round (`--rounds 5`), and the medians of the rounds are printed, with how late the
 * event loop was in one of a hundred turns while pages were read.
 *
 * Not measured: a store larger than the memory, several nodes, a network, anything above the port.
 *
 * Run: see docs/archive.md.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import Database from 'libsql';
import { Client } from 'pg';
import {
  ByteWriter,
  generation,
  seededRandom,
  sequenceId,
  systemClock,
  utf8,
  type ConversationId,
  type Result,
} from '@millrace/kernel';
import { startPostgres } from '@millrace/local-postgres';
import type { ArchiveChunk, ArchiveStore } from '../src/archive-store.ts';
import { PostgresArchive } from '../src/node/postgres/postgres-archive.ts';
import { SqliteArchive } from '../src/node/sqlite/sqlite-archive.ts';

const CONVERSATIONS = 200;
const CHUNK_ENTRIES = 50;
const APPEND_CHUNKS = 20;
const PAGES = 2_000;
const WARM_UP_PAGES = 200;
const PAGE_ENTRIES = 50;

function optionOf(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}
const messages = Number(optionOf('messages') ?? 200_000);
const rounds = Number(optionOf('rounds') ?? 5);
const corpus = optionOf('corpus');
const random = seededRandom(1);
const perConversation = Math.floor(messages / CONVERSATIONS / CHUNK_ENTRIES) * CHUNK_ENTRIES;

function valueOf<T>(result: Result<T, { readonly message: string }>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Sender and text of each message. */
function sayings(): readonly { readonly from: string; readonly text: string }[] {
  if (corpus !== undefined) {
    const bytes = readFileSync(corpus);
    const text = (corpus.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { from: string; text: string });
  }
  const words = Array.from({ length: 3_000 }, () => random.id().slice(0, 2 + (random.uint32() % 9)));
  // Few words are said often and many seldom, as in a language.
  const word = (): string => words[Math.floor(words.length * random.fraction() ** 3)] ?? '';
  return Array.from({ length: 20_000 }, () => ({
    from: `user-${String(random.uint32() % 400)}`,
    text: Array.from({ length: 3 + (random.uint32() % 16) }, word).join(' '),
  }));
}

const said = sayings();
function entryOf(index: number): Uint8Array {
  const { from, text } = said[index % said.length] ?? { from: '', text: '' };
  const atMs = 1_790_000_000_000 + index * 1_370 + (random.uint32() % 1_000);
  return new ByteWriter(128)
    .u8(1)
    .u8(1)
    .u8(3)
    .varint(index)
    .varint(atMs)
    .varint(atMs - (random.uint32() % 200))
    .string(from)
    .u32(random.uint32() % 1_000_000_000)
    .varint(index % 500)
    .raw(utf8(text))
    .finish();
}

const nameOf = (conversation: number): ConversationId => `room-${String(conversation)}` as ConversationId;
/** The chunks in the order in which they are archived: conversation by conversation turns, as a tier would roll them. */
const chunks: ArchiveChunk[] = [];
for (let first = 1; first <= perConversation; first += CHUNK_ENTRIES)
  for (let conversation = 0; conversation < CONVERSATIONS; conversation += 1)
    chunks.push({
      conversation: nameOf(conversation),
      gen: generation(1),
      first: sequenceId(first),
      entries: Array.from({ length: CHUNK_ENTRIES }, (_, index) =>
        entryOf(conversation * perConversation + first + index),
      ),
    });
const total = chunks.length * CHUNK_ENTRIES;
const rawBytes = chunks.reduce((sum, { entries }) => sum + entries.reduce((bytes, { length }) => bytes + length, 0), 0);

interface Page {
  readonly conversation: ConversationId;
  readonly first: number;
  readonly direction: 'forward' | 'backward';
}
const pages = (count: number): readonly Page[] =>
  Array.from({ length: count }, (_, index) => ({
    conversation: nameOf(random.uint32() % CONVERSATIONS),
    first: 1 + (random.uint32() % (perConversation - PAGE_ENTRIES)),
    direction: index % 2 === 0 ? 'forward' : 'backward',
  }));

/** One side of a comparison: how it is filled, and how one page is read, and how many messages it found. */
interface Side {
  readonly fill: () => Promise<void>;
  readonly page: (page: Page) => Promise<number>;
}

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((one, other) => one - other)[Math.floor((values.length - 1) * share)] ?? 0;

async function readPages(side: Side, wanted: readonly Page[], count: number): Promise<readonly number[]> {
  const took: number[] = [];
  for (const page of wanted) {
    const startedMs = systemClock.monotonicMs();
    const found = await side.page(page);
    took.push(systemClock.monotonicMs() - startedMs);
    if (found !== count) throw new Error(`a page of ${page.conversation} had ${String(found)}`);
  }
  return took;
}

async function compare(name: string, archive: Side, floor: Side): Promise<void> {
  const inPerSecond = { floor: 0, archive: 0 };
  for (const [what, side] of [
    ['floor', floor],
    ['archive', archive],
  ] as const) {
    const startedMs = systemClock.monotonicMs();
    await side.fill();
    inPerSecond[what] = total / ((systemClock.monotonicMs() - startedMs) / 1_000);
  }
  await readPages(floor, pages(WARM_UP_PAGES), PAGE_ENTRIES);
  await readPages(archive, pages(WARM_UP_PAGES), PAGE_ENTRIES);
  const took = { floor: [] as (readonly number[])[], archive: [] as (readonly number[])[] };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  for (let round = 0; round < rounds; round += 1) {
    const wanted = pages(PAGES);
    took.floor.push(await readPages(floor, wanted, PAGE_ENTRIES));
    delay.enable();
    took.archive.push(await readPages(archive, wanted, PAGE_ENTRIES));
    delay.disable();
  }
  const of = (side: 'floor' | 'archive', share: number): number =>
    quantile(
      took[side].map((round) => quantile(round, share)),
      0.5,
    );
  const line = (side: 'floor' | 'archive'): string =>
    `${Math.round(inPerSecond[side]).toLocaleString('en')} messages/s in; ` +
    `a page: p50 ${of(side, 0.5).toFixed(3)} ms, p99 ${of(side, 0.99).toFixed(3)} ms`;
  const ratio = (share: number): string => (of('archive', share) / of('floor', share)).toFixed(2);
  console.log(`${name} archive  ${line('archive')}; event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`);
  console.log(`${name} floor    ${line('floor')}`);
  console.log(`${name} ratio    page p50 ${ratio(0.5)}, p99 ${ratio(0.99)}`);
}

function sideOf(archive: ArchiveStore): Side {
  return {
    async fill() {
      for (let at = 0; at < chunks.length; at += APPEND_CHUNKS) {
        const outcomes = valueOf(await archive.append(chunks.slice(at, at + APPEND_CHUNKS)));
        if (!outcomes.every(({ ok }) => ok)) throw new Error('a chunk was refused');
      }
    },
    async page({ conversation, first, direction }) {
      const from = { gen: generation(1), seq: sequenceId(direction === 'forward' ? first : 1) };
      const to = {
        gen: from.gen,
        seq: sequenceId(direction === 'forward' ? perConversation : first + PAGE_ENTRIES - 1),
      };
      return valueOf(await archive.read(conversation, { from, to, limit: PAGE_ENTRIES, direction })).length;
    },
  };
}

async function printSize(name: string, archive: ArchiveStore): Promise<void> {
  const { chunkBytes, diskBytes, entries } = valueOf(await archive.stats());
  if (entries !== total) throw new Error(`${String(entries)} of ${String(total)} messages are archived`);
  const perMessage = (bytes: number): string => (bytes / total).toFixed(1);
  console.log(
    `${name} size     ${perMessage(rawBytes)} B a message came; chunks ${perMessage(chunkBytes)}, on disk ${perMessage(diskBytes)}`,
  );
}

const FLOOR_PAGE = 'SELECT seq, data FROM floor WHERE conversation = $1 AND seq >= $2 AND seq < $2 + 50 ORDER BY seq';

async function measureSqlite(directory: string): Promise<void> {
  const program = pathToFileURL(join(process.cwd(), 'dist', 'archive-worker.mjs'));
  // Pages of the file: those that are kept in memory are another matter, which `npm run bench -- history` measures.
  const how = { path: join(directory, 'archive.sqlite'), program, cacheBytesMax: 0 };
  const archive = valueOf(await SqliteArchive.open(how));
  const floor = new Database(join(directory, 'floor.sqlite'));
  floor.pragma('journal_mode = WAL');
  floor.exec('PRAGMA synchronous = FULL');
  floor.exec('CREATE TABLE floor (conversation TEXT, seq INTEGER, data BLOB, UNIQUE (conversation, seq))');
  const add = floor.prepare('INSERT INTO floor VALUES (?, ?, ?)');
  const select = floor.prepare(FLOOR_PAGE.replaceAll('$1', '?1').replaceAll('$2', '?2'));
  await compare('SQLite    ', sideOf(archive), {
    async fill() {
      for (let at = 0; at < chunks.length; at += APPEND_CHUNKS) {
        floor.exec('BEGIN');
        for (const { conversation, first, entries } of chunks.slice(at, at + APPEND_CHUNKS))
          entries.forEach((data, index) => add.run(conversation, first + index, data));
        floor.exec('COMMIT');
      }
    },
    async page({ conversation, first }) {
      return select.all(conversation, first).length;
    },
  });
  await printSize('SQLite    ', archive);
  floor.close();
  await archive.close();
}

async function measurePostgres(directory: string): Promise<void> {
  const server = valueOf(await startPostgres({ dir: join(directory, 'postgres') }));
  try {
    const archive = valueOf(await PostgresArchive.open({ url: server.url }));
    const floor = new Client({ connectionString: server.url });
    await floor.connect();
    await floor.query('CREATE TABLE floor (conversation text, seq bigint, data bytea, UNIQUE (conversation, seq))');
    await compare('PostgreSQL', sideOf(archive), {
      async fill() {
        for (let at = 0; at < chunks.length; at += APPEND_CHUNKS) {
          const rows = chunks
            .slice(at, at + APPEND_CHUNKS)
            .flatMap(({ conversation, first, entries }) =>
              entries.map((data, index) => ({ conversation, seq: first + index, data: Buffer.from(data) })),
            );
          await floor.query({
            name: 'add',
            text: 'INSERT INTO floor SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])',
            values: [
              rows.map(({ conversation }) => conversation),
              rows.map(({ seq }) => seq),
              rows.map(({ data }) => data),
            ],
          });
        }
      },
      async page({ conversation, first }) {
        return (await floor.query({ name: 'page', text: FLOOR_PAGE, values: [conversation, first] })).rows.length;
      },
    });
    await printSize('PostgreSQL', archive);
    await floor.end();
    await archive.close();
  } finally {
    await server.kill();
  }
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-archive-bench-'));
try {
  console.log(`${total.toLocaleString('en')} messages, ${corpus === undefined ? 'made up' : 'of a corpus'}`);
  await measureSqlite(directory);
  const { chmodSync } = await import('node:fs');
  // The server's user has to come through.
  chmodSync(directory, 0o711);
  await measurePostgres(directory);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
