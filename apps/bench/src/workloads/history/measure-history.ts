import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { SqliteArchive } from '@millrace/archive/sqlite';
import {
  generation,
  seededRandom,
  sequenceId,
  systemClock,
  type ConversationId,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { Redis } from 'ioredis';
import { hotStreams, watchHotStreams, type HotStream } from '../../measure/hot-streams.ts';
import { Latency, type LatencySummary } from '../../measure/latency.ts';
import { medianOf } from '../../measure/median.ts';
import { memoryByKind } from '../../measure/redis-memory.ts';
import type { BenchOptions } from '../../options.ts';
import type { Target } from '../../processes/server-process.ts';
import type { Findings, MeasureFindings } from '../../report/findings.ts';
import { historyLines, historyRatio, type HistoryFigures } from '../../report/history.ts';
import type { BenchHost } from '../bench-host.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import { corpusIn, sendCorpus, type Corpus } from '../replay/send-corpus.ts';
import { runName } from '../run-name.ts';
import { withServers } from '../targets.ts';
import { UserSessions, type Ask } from '../user-sessions.ts';
import { expectedOf, pageFault, textOf, type AskedPage, type ExpectedMessages } from './expected-history.ts';
import { FloorInThread } from './floor-in-thread.ts';
import { FloorTable } from './floor-table.ts';
import { archivedPages, PAGE_ENTRIES, randomPages, type Readable } from './page-plan.ts';
import { withDirectory } from '../with-directory.ts';

const HOT_MESSAGES = 200;
/** What fills no chunk stays. */
const CHUNK = 50;
const SETTLE_MS_MAX = 120_000;
const POLL_MS = 100;
/** Of a made corpus: so long that most of each is archived. */
const MADE_CHANNEL = 500;
const PAGES = 10_000;
const PAGES_MIN = 200;
const TIMED = 1_000;
const TIMED_MIN = 50;
/** Of the archive's port, which is done with one so soon that of fewer the 99th percentile would be chance. */
const TIMED_BEHIND_PORT = 5_000;
const WARM_UP = 500;
/** Pages of one side before it is the other one's turn. */
const TURN = 100;
const READS_AT_ONCE = 8;
/** Of the reads from end to end. */
const SWEEP = { forward: 500, backward: 333 } as const;
const FAULTS_MAX = 20;

interface Setting {
  readonly options: BenchOptions;
  readonly host: BenchHost;
  readonly dir: string;
  readonly corpus: Corpus;
  readonly say: (text: string) => void;
}

interface Measured {
  readonly figures: HistoryFigures;
  readonly floorMs: LatencySummary | null;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

/** What was read so far, and what was wrong with it. */
class Reading {
  readonly faults: string[] = [];
  checked = nothingChecked;
  pages = 0;
  entries = 0;

  /** Asks for a page, and holds it against the corpus. */
  async page(
    ask: Ask,
    asked: AskedPage,
    expected: ExpectedMessages,
  ): Promise<{ readonly seqs: readonly SequenceId[] }> {
    const { conversation, direction, limit } = asked;
    const from = sequenceId(asked.from);
    const page = await ask({ t: 'history', conversation, direction, from, limit });
    const fault = pageFault(asked, page, expected);
    if (fault !== null) {
      this.checked = addChecked(this.checked, { ...nothingChecked, [fault.kind]: 1 });
      if (this.faults.length < FAULTS_MAX) this.faults.push(fault.text);
    }
    this.pages += 1;
    this.entries += page.messages.length;
    return { seqs: page.messages.map(({ seq }) => seq) };
  }
}

/** Waits until nothing is in Redis that need not be there. */
async function settled(redis: Redis): Promise<readonly HotStream[]> {
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const streams = await hotStreams(redis);
    const most = Math.max(0, ...streams.map(({ entries }) => entries));
    if (most < HOT_MESSAGES + CHUNK) return streams;
    if (systemClock.monotonicMs() - startedMs > SETTLE_MS_MAX)
      throw new Error(`${String(most)} entries of a conversation stay in Redis, not ${String(HOT_MESSAGES)}`);
    await sleep(POLL_MS);
  }
}

/** Reads all of a conversation, from end to end in both directions. @returns how many messages are there. */
async function sweep(
  ask: Ask,
  { conversation, head }: Readable,
  expected: ExpectedMessages,
  reading: Reading,
): Promise<number> {
  let stored = 0;
  for (const direction of ['forward', 'backward'] as const) {
    const isForward = direction === 'forward';
    for (let from = isForward ? 1 : head; from >= 1 && from <= head;) {
      const { seqs } = await reading.page(ask, { conversation, direction, from, limit: SWEEP[direction] }, expected);
      const last = seqs.at(-1);
      if (last === undefined) break;
      if (isForward) stored += seqs.filter((seq) => expected.has(seq)).length;
      from = last + (isForward ? 1 : -1);
    }
  }
  return stored;
}

async function inTurns<T>(items: readonly T[], job: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const work = async (): Promise<void> => {
    for (const item of rest) await job(item);
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, work));
}

/** Answers how many entries a page has. */
type ReadPage = (asked: AskedPage) => number | Promise<number>;

/** The sides in turn, some pages at a time: what disturbs the machine for a while disturbs all of them. */
async function compared<Side extends string>(
  pages: readonly AskedPage[],
  sides: Readonly<Record<Side, ReadPage>>,
): Promise<Readonly<Record<Side, Latency>>> {
  const all = Object.entries<ReadPage>(sides).map(([side, read]) => ({ side, read, took: new Latency() }));
  const timed = async (side: Latency | null, asked: AskedPage, read: ReadPage): Promise<void> => {
    const startedMs = systemClock.monotonicMs();
    const found = await read(asked);
    side?.record((systemClock.monotonicMs() - startedMs) * 1_000);
    if (found !== asked.limit) throw new Error(`a page of ${asked.conversation} had ${String(found)} entries`);
  };
  const each = async (some: readonly AskedPage[], isTimed: boolean): Promise<void> => {
    for (const { read, took } of all) for (const asked of some) await timed(isTimed ? took : null, asked, read);
    // What one leaves to the threads and the collector of garbage is not always the same one's to bear.
    all.push(...all.splice(0, 1));
  };
  await each(pages.slice(0, WARM_UP), false);
  for (let from = WARM_UP; from < pages.length; from += TURN) await each(pages.slice(from, from + TURN), true);
  return Object.fromEntries(all.map(({ side, took }) => [side, took])) as Record<Side, Latency>;
}

const valueOf = <T>(result: Result<T, { readonly message: string }>): T => {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
};

/**
 * Pages of the library on the thread that waits for them, of the library in a thread, of the archive's port, and of the port
 * when it keeps nothing in memory.
 */
type Took = Readonly<Record<'floor' | 'inThread' | 'archive' | 'uncached', Latency>>;

const pageOf =
  (archive: SqliteArchive): ReadPage =>
  async ({ conversation, direction, from, limit }) => {
    const [first, last] = direction === 'forward' ? [from, from + limit - 1] : [from - limit + 1, from];
    const gen = generation(1);
    const range = { from: { gen, seq: sequenceId(first) }, to: { gen, seq: sequenceId(last) } };
    return valueOf(await archive.read(conversation, { ...range, limit, direction })).length;
  };

/** Reads pages behind the archive's port. The server must have ended: the file is of one process. */
async function ofArchive(
  path: string,
  program: URL,
  floor: FloorTable,
  inThread: FloorInThread,
  pages: readonly AskedPage[],
): Promise<{ readonly took: Took; readonly entries: number; readonly diskBytes: number }> {
  // A copy, since one has a file open once.
  const copy = `${path}.copy`;
  copyFileSync(path, copy);
  const archive = valueOf(await SqliteArchive.open({ path, program }));
  const uncached = valueOf(await SqliteArchive.open({ path: copy, program, cacheBytesMax: 0 }));
  try {
    const { entries, diskBytes } = valueOf(await archive.stats());
    const took = await compared(pages, {
      floor: (asked) => floor.page(asked),
      inThread: (asked) => inThread.page(asked),
      uncached: pageOf(uncached),
      archive: pageOf(archive),
    });
    return { took, entries, diskBytes };
  } finally {
    await archive.close();
    await uncached.close();
  }
}

interface FromServer {
  readonly figures: Omit<
    HistoryFigures,
    'archivedEntries' | 'archivedBytesPerMessage' | 'archiveMs' | 'uncachedMs' | 'inThreadMs'
  >;
  readonly floorMs: LatencySummary | null;
  readonly checked: Checked;
  readonly faults: readonly string[];
  readonly archived: readonly Readable[];
}

/** Where each conversation can be read, as the server tells it and as Redis shows it. */
async function readables(
  ask: Ask,
  expected: ReadonlyMap<ConversationId, ExpectedMessages>,
  streams: readonly HotStream[],
): Promise<readonly Readable[]> {
  const firsts = new Map(streams.map(({ conversation, first }) => [conversation, first]));
  const all: Readable[] = [];
  for (const conversation of expected.keys()) {
    await ask({ t: 'join', conversation });
    const { head } = await ask({ t: 'history', conversation, direction: 'backward', limit: 1 });
    const first = firsts.get(conversation);
    all.push({ conversation, head: head.seq, archivedTo: first === undefined ? head.seq : first - 1 });
  }
  return all;
}

async function onServer(
  { options, host, dir, corpus, say }: Setting,
  floor: FloorTable,
  target: Target,
): Promise<FromServer> {
  if (target.redisUrl === null) throw new Error('history asks servers of its own: leave --url out');
  const redis = new Redis(target.redisUrl.replace(/^unix:\/\//, ''));
  try {
    say('the corpus is sent and archived');
    const watch = watchHotStreams(redis);
    const sent = await sendCorpus(target, corpus, dir, host).finally(() => watch.stop());
    const hotEntriesMost = await watch.stop();
    const streams = await settled(redis);
    const memory = await memoryByKind(target.redisUrl);
    const expected = expectedOf(textOf(sent.ledger).split('\n'), textOf(corpus.file).split('\n'));
    const random = seededRandom(options.rounds);
    const reading = new Reading();
    const reader = `reader-${runName()}` as UserId;
    return await new UserSessions(target).as(reader, async (ask) => {
      const all = await readables(ask, expected, streams);
      const of = (conversation: ConversationId): ExpectedMessages => expected.get(conversation) ?? new Map();
      say('pages of 50 from the archive, and the floor');
      floor.fill(all, expected);
      // First, while the server has none of it in its memory.
      const timed = archivedPages(all, WARM_UP + Math.max(TIMED_MIN, Math.round(TIMED * options.scale)), random);
      const took = await compared(timed, {
        floor: (asked) => floor.page(asked),
        client: async (asked) => (await reading.page(ask, asked, of(asked.conversation))).seqs.length,
      });
      say('pages from anywhere');
      const pages = randomPages(all, Math.max(PAGES_MIN, Math.round(PAGES * options.scale)), random);
      await inTurns(pages, async (asked) => {
        await reading.page(ask, asked, of(asked.conversation));
      });
      say('all of it, in both directions');
      let stored = 0;
      await inTurns(all, async (each) => {
        const found = await sweep(ask, each, of(each.conversation), reading);
        stored += found;
      });
      const checked = {
        ...{ sent: sent.messages, acked: sent.messages, stored, delivered: reading.entries },
        ...{ lost: Math.max(0, sent.messages - stored), duplicated: 0, gaps: 0 },
      };
      return {
        figures: {
          messages: sent.messages,
          conversations: all.length,
          replayedPerSecond: sent.perSecond,
          hotEntriesMost,
          hotEntries: memory.timeline.entries,
          redisUsedBytes: memory.usedBytes,
          hotBytesPerMessage: memory.timeline.entries === 0 ? null : memory.timeline.bytes / memory.timeline.entries,
          pagesRead: pages.length,
          entriesRead: reading.entries,
          pageMs: took.client.summary(),
        },
        floorMs: took.floor.summary(),
        checked: addChecked(checked, reading.checked),
        faults: reading.faults,
        archived: all,
      };
    });
  } finally {
    redis.disconnect();
  }
}

async function measureRound(setting: Setting, round: number): Promise<Measured> {
  const { options, host, dir } = setting;
  const path = join(dir, `archive-${String(round)}.sqlite`);
  const floorPath = join(dir, `floor-${String(round)}.sqlite`);
  const floor = FloorTable.create(floorPath);
  try {
    const settings = { MILLRACE_ARCHIVE: `sqlite:${path}`, MILLRACE_HOT_MESSAGES: String(HOT_MESSAGES) };
    const server = await withServers(host, options, (target) => onServer(setting, floor, target), settings);
    setting.say('pages of 50 by the archive, and the floor');
    const random = seededRandom(options.rounds + round);
    const timed = Math.max(TIMED_MIN, Math.round(TIMED_BEHIND_PORT * options.scale));
    const pages = archivedPages(server.archived, WARM_UP + timed, random);
    const program = new URL('archive-worker.mjs', pathToFileURL(host.serverBundle));
    const floorProgram = new URL('bench-floor-thread.mjs', pathToFileURL(host.benchBundle));
    const inThread = await FloorInThread.start(floorProgram, { path: floorPath });
    const archive = await ofArchive(path, program, floor, inThread, pages).finally(() => inThread.close());
    return {
      ...server,
      figures: {
        ...server.figures,
        archivedEntries: archive.entries,
        archivedBytesPerMessage: archive.entries === 0 ? null : archive.diskBytes / archive.entries,
        archiveMs: archive.took.archive.summary(),
        uncachedMs: archive.took.uncached.summary(),
        inThreadMs: archive.took.inThread.summary(),
      },
    };
  } finally {
    floor.close();
  }
}

/** A corpus that goes over into the archive while it is sent, and pages of it from anywhere, held against the corpus. */
export const measureHistory: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null || options.nodes > 1)
    throw new Error('history has one server of its own, whose archive is a file: leave --url and --nodes out');
  return await withDirectory(host, 'history', (dir) => measureIn(dir, options, host));
};

async function measureIn(dir: string, options: BenchOptions, host: BenchHost): Promise<Findings> {
  const corpus = corpusIn(dir, options, (messages) => Math.max(1, Math.round(messages / MADE_CHANNEL)));
  const rounds: Measured[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const say = (text: string): void => {
      host.progress(`round ${String(round)} of ${String(options.rounds)}: ${text}`);
    };
    rounds.push(await measureRound({ options, host, dir, corpus, say }, round));
  }
  const history = medianOf(rounds.map(({ figures }) => figures));
  const floorMs = medianOf(rounds.map(({ floorMs: pageMs }) => ({ pageMs }))).pageMs;
  const ratio = historyRatio(history, floorMs);
  return {
    config: { corpus: corpus.what, hotMessages: HOT_MESSAGES, pageEntries: PAGE_ENTRIES },
    rounds: rounds.map(({ figures, floorMs: pageMs }) => ({ millrace: figures, floor: { pageMs } })),
    median: { ackedPerSecond: history.replayedPerSecond, history },
    floor: { history: { pageMs: floorMs } },
    ratio,
    checked: rounds.map(({ checked }) => checked).reduce(addChecked),
    faults: rounds.flatMap(({ faults }) => faults).slice(0, FAULTS_MAX),
    lines: historyLines(history, floorMs, ratio),
    plots: [],
    notMeasured: [
      'An archive larger than the memory of the machine: the system keeps its file there.',
      'PostgreSQL: the archive is a SQLite file.',
      "The server's cache of pages by itself: pages are timed before others are read, so few of them are in it.",
      'An archive larger than what its port keeps in memory: a page that is not there costs what one with nothing in memory does.',
    ],
  };
}
