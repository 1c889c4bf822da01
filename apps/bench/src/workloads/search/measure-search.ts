import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import {
  seededRandom,
  systemClock,
  systemRandom,
  type ConversationId,
  type Random,
  type UserId,
} from '@millrace/kernel';
import { SqliteSearch } from '@millrace/search/sqlite';
import { Latency } from '../../measure/latency.ts';
import { medianOf } from '../../measure/median.ts';
import { cpuMicrosOf, sumOver } from '../../measure/proc-stat.ts';
import type { BenchOptions } from '../../options.ts';
import { runProgram } from '../../processes/program.ts';
import type { Target } from '../../processes/server-process.ts';
import type { Findings, MeasureFindings } from '../../report/findings.ts';
import {
  searchLines,
  searchRatio,
  type IndexCost,
  type SearchFigures,
  type SearchFloorFigures,
} from '../../report/search.ts';
import type { BenchHost } from '../bench-host.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import { brokenOff } from '../replay/send-corpus.ts';
import { withServers } from '../targets.ts';
import { UserSessions } from '../user-sessions.ts';
import { SearchApi } from './search-api.ts';
import { READER, searchCorpusIn, textsIn, type SearchCorpus } from './search-corpus.ts';
import { SearchFloor } from './search-floor.ts';
import { pageFault, questionKinds, questionOf, type Question, type QuestionKind } from './search-questions.ts';
import { withDirectory } from '../with-directory.ts';

const PAGE = 50;
const QUESTIONS = 400;
const QUESTIONS_MIN = 20;
const WARM_UP = 10;
/** Questions of one side before it is the other one's turn. */
const TURN = 20;
const REBUILDS = 3;
const FRESH = 1_000;
const FRESH_LONG = 10_000;
const FRESH_MIN = 50;
const FRESH_EVERY_MS = 10;
const LOOK_EVERY_MS = 5;
const FRESH_PATIENCE_MS = 20_000;
/** Who writes beside, each a message every so often. */
const BESIDE = { writers: 8, everyMs: 8 } as const;
const FAULTS_MAX = 20;
const WITHIN_MS = 1_000;

interface Setting {
  readonly options: BenchOptions;
  readonly host: BenchHost;
  readonly dir: string;
  readonly corpus: SearchCorpus;
  readonly random: Random;
  readonly say: (text: string) => void;
}

interface Measured {
  readonly figures: SearchFigures;
  readonly floor: SearchFloorFigures;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

interface FromServer extends Omit<Measured, 'figures'> {
  readonly figures: Omit<SearchFigures, 'indexBytesPerMessage'>;
}

/** How long a job takes each message, and how much CPU time. */
async function costOf(messages: number, cpu: () => number | null, job: () => Promise<void>): Promise<IndexCost> {
  const [startedMs, before] = [systemClock.monotonicMs(), cpu()];
  await job();
  const [seconds, after] = [(systemClock.monotonicMs() - startedMs) / 1_000, cpu()];
  const cpuMicros = before === null || after === null ? null : (after - before) / messages;
  return { perSecond: messages / seconds, cpuMicros };
}

/** Brings the corpus in by the command line's own import. */
async function importCorpus({ host, corpus }: Setting, { url }: Target, key: string): Promise<void> {
  const ended = await runProgram({
    bundle: host.cliBundle,
    args: ['import', '--corpus', corpus.file, '--url', url, '--key', key],
    onNote: () => undefined,
    onStop: host.onStop,
  });
  if (ended.code !== 0) throw brokenOff('millrace import', ended);
}

/** What is in the index. The server must have ended: its directory is of one process. */
async function statsOf(directory: string, host: BenchHost) {
  const program = new URL('search-worker.mjs', pathToFileURL(host.serverBundle));
  const opened = await SqliteSearch.open({ directory, program });
  if (!opened.ok) throw new Error(opened.error.message);
  const stats = await opened.value.stats().finally(() => opened.value.close());
  if (!stats.ok) throw new Error(stats.error.message);
  return stats.value;
}

async function measureRound(setting: Setting, round: number): Promise<Measured> {
  const { options, host, dir } = setting;
  const indexDir = join(dir, `index-${String(round)}`);
  const key = systemRandom.id() + systemRandom.id();
  const settings = { MILLRACE_SEARCH: `sqlite:${indexDir}`, MILLRACE_API_KEYS: `bench:admin:${key}` };
  const server = await withServers(host, options, (target) => onServer(setting, target, key), settings);
  const { messages, diskBytes } = await statsOf(indexDir, host);
  const { sent } = server.checked;
  return {
    ...server,
    figures: { ...server.figures, indexBytesPerMessage: diskBytes === null ? null : diskBytes / messages },
    checked: addChecked(server.checked, {
      ...nothingChecked,
      ...{ stored: messages, lost: Math.max(0, sent - messages), duplicated: Math.max(0, messages - sent) },
    }),
  };
}

/** Messages that come one after the other while others write, and when the index alone finds each. */
async function measureFresh(target: Target, api: SearchApi, tries: number) {
  const sessions = new UserSessions(target);
  const word = `fresh${systemRandom.id().slice(0, 8).toLowerCase()}`;
  const [ackedMs, foundMs] = [new Map<number, number>(), new Map<number, number>()];
  let isOver = false;
  let beside = 0;
  const conversation = `fresh-${word}` as ConversationId;
  const writer = 'fresh-writer' as UserId;
  await sessions.as(writer, (ask) => ask({ t: 'create', kind: 'group', conversation, members: [READER as UserId] }));
  const startedMs = systemClock.monotonicMs();
  const writers = Array.from({ length: BESIDE.writers }, (_, number) =>
    sessions.as(`beside-${String(number)}` as UserId, async (ask) => {
      const other = `beside-${word}-${String(number)}` as ConversationId;
      await ask({ t: 'create', kind: 'group', conversation: other, members: [READER as UserId] });
      for (let n = 1; !isOver; n += 1) {
        const body = `something else is said here ${String(n)}`;
        await ask({ t: 'send', conversation: other, n, sentAt: systemClock.nowMs(), type: 'text', body });
        beside += 1;
        await sleep(BESIDE.everyMs);
      }
    }),
  );
  const besides = Promise.all(writers);
  // Whoever of them fails is told of in the end.
  besides.catch(() => undefined);
  const sending = sessions.as(writer, async (ask) => {
    for (let n = 1; n <= tries; n += 1) {
      const content = { t: 'send', conversation, n, sentAt: systemClock.nowMs(), type: 'text' } as const;
      const { seq } = await ask({ ...content, body: `${word} ${String(n)}` });
      ackedMs.set(seq, systemClock.monotonicMs());
      await sleep(FRESH_EVERY_MS);
    }
  });
  // Without a user only what is indexed is searched. The newest hundred of them, again and again.
  const looking = (async () => {
    let lastMs = Infinity;
    while (foundMs.size < tries && systemClock.monotonicMs() < lastMs + FRESH_PATIENCE_MS) {
      const nowMs = systemClock.monotonicMs();
      const { hits } = await api.search({ text: word, prefix: false, conversations: [conversation], limit: 100 });
      for (const { message } of hits) if (!foundMs.has(message.seq)) foundMs.set(message.seq, nowMs);
      if (ackedMs.size === tries) lastMs = Math.min(lastMs, nowMs);
      await sleep(LOOK_EVERY_MS);
    }
  })();
  try {
    await Promise.all([sending, looking]);
  } finally {
    isOver = true;
    await Promise.allSettled(writers);
  }
  await besides;
  const took = new Latency();
  let within = 0;
  let found = 0;
  for (const [seq, atMs] of ackedMs) {
    const ms = (foundMs.get(seq) ?? Infinity) - atMs;
    if (ms === Infinity) continue;
    found += 1;
    took.record(Math.max(0, ms) * 1_000);
    if (ms <= WITHIN_MS) within += 1;
  }
  const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
  const figures = { tries, besidePerSecond: beside / seconds, ms: took.summary(), shareWithinSecond: within / tries };
  return { figures, found, beside };
}

/** Questions of a kind that the corpus answers; fewer where it has few. */
function questionsOf({ corpus, random, options }: Setting, kind: QuestionKind): readonly Question[] {
  const wanted = Math.max(QUESTIONS_MIN, Math.round(QUESTIONS * options.scale)) + WARM_UP;
  const questions: Question[] = [];
  for (let tries = 0; questions.length < wanted && tries < wanted * 200; tries += 1) {
    const said = corpus.sample[random.uint32() % corpus.sample.length];
    const question = said === undefined ? null : questionOf(random, kind, said);
    if (question !== null) questions.push(question);
  }
  return questions;
}

/** Both sides in turn: what disturbs the machine for a while disturbs both. */
async function inTurns(questions: readonly Question[], sides: readonly ((question: Question) => unknown)[]) {
  const took = sides.map(() => new Latency());
  for (let from = 0; from < questions.length; from += TURN) {
    for (const [side, ask] of sides.entries()) {
      for (const [at, question] of questions.slice(from, from + TURN).entries()) {
        const startedMs = systemClock.monotonicMs();
        await ask(question);
        if (from + at >= WARM_UP) took[side]?.record((systemClock.monotonicMs() - startedMs) * 1_000);
      }
    }
  }
  return took.map((latency) => latency.summary());
}

async function measureQueries(setting: Setting, api: SearchApi, floor: SearchFloor) {
  const queries: Record<string, SearchFigures['queries'][string]> = {};
  const floorQueries: Record<string, SearchFigures['queries'][string]> = {};
  const faults: string[] = [];
  let checked = nothingChecked;
  for (const kind of questionKinds) {
    const questions = questionsOf(setting, kind);
    if (questions.length < WARM_UP + QUESTIONS_MIN / 2) continue;
    setting.say(`questions: ${kind}`);
    const ask = async (question: Question): Promise<void> => {
      const { text, prefix, sender } = question;
      const by = sender === null ? {} : { senders: [sender] };
      const page = await api.search({ as: READER, text, prefix, ...by, limit: PAGE });
      const hits = page.hits.map(({ conversation, message }) => ({
        ...{ name: `${conversation} ${String(message.seq)}`, from: message.from, body: String(message.body) },
      }));
      const fault = pageFault(question, hits, PAGE);
      checked = addChecked(checked, { ...nothingChecked, delivered: hits.length, ...(fault && { [fault.kind]: 1 }) });
      if (fault !== null && faults.length < FAULTS_MAX) faults.push(fault.text);
    };
    // The library's own tokens are words between spaces: it has none of these.
    const sides = kind === 'two characters' ? [ask] : [ask, (question: Question) => floor.ask(question)];
    const [own, other] = await inTurns(questions, sides);
    queries[kind] = own ?? null;
    floorQueries[kind] = other ?? null;
  }
  return { queries, floorQueries, checked, faults };
}

async function onServer(setting: Setting, target: Target, key: string): Promise<FromServer> {
  const { options, corpus, dir, say } = setting;
  const { messages } = corpus;
  const api = new SearchApi(target.url, key);
  const cpuOfServer = (): number | null => sumOver(target.serverPids, cpuMicrosOf);
  say(`${String(messages)} messages are imported and indexed`);
  const startedMs = systemClock.monotonicMs();
  await importCorpus(setting, target, key);
  const importedMs = systemClock.monotonicMs();
  const indexedMs = await api.untilIndexed(messages);
  const [rebuilds, inserts]: [IndexCost[], IndexCost[]] = [[], []];
  const floors: SearchFloor[] = [];
  try {
    for (let count = 0; count < (options.long ? 1 : REBUILDS); count += 1) {
      say('the library takes the same texts');
      const table = new SearchFloor(join(dir, `floor-${key}-${String(count)}.sqlite`));
      floors.push(table);
      const fill = async (): Promise<void> => {
        for await (const texts of textsIn(corpus)) table.add(texts);
      };
      inserts.push(await costOf(messages, () => process.cpuUsage().user + process.cpuUsage().system, fill));
      say('the index is made anew');
      rebuilds.push(await costOf(messages, cpuOfServer, () => api.rebuild()));
    }
    say('messages come, and are looked for in the index alone');
    const tries = Math.max(FRESH_MIN, Math.round((options.long ? FRESH_LONG : FRESH) * options.scale));
    const fresh = await measureFresh(target, api, tries);
    const [floor] = floors;
    if (floor === undefined) throw new Error('there is a floor');
    const asked = await measureQueries(setting, api, floor);
    const sent = messages + tries + fresh.beside;
    return {
      figures: {
        ...{ messages, conversations: corpus.channels, textBytesPerMessage: corpus.textBytes / messages },
        importedPerSecond: (messages / (indexedMs - startedMs)) * 1_000,
        behindImportMs: Math.max(0, indexedMs - importedMs),
        ...{ rebuilt: medianOf(rebuilds), fresh: fresh.figures, queries: asked.queries },
      },
      floor: { insert: medianOf(inserts), queries: asked.floorQueries },
      checked: addChecked(asked.checked, { ...nothingChecked, sent, acked: sent, lost: tries - fresh.found }),
      faults: asked.faults,
    };
  } finally {
    for (const each of floors) each.close();
  }
}

/** Messages found by their words: how fast they come into the index, how soon they are found, and how fast. */
export const measureSearch: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null || options.nodes > 1)
    throw new Error('search has one server of its own, whose index is a directory: leave --url and --nodes out');
  return await withDirectory(host, 'search', (dir) => measureIn(dir, options, host));
};

async function measureIn(dir: string, options: BenchOptions, host: BenchHost): Promise<Findings> {
  const random = seededRandom(options.rounds);
  const corpus = await searchCorpusIn(dir, options, random);
  const rounds: Measured[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const say = (text: string): void => {
      host.progress(`round ${String(round)} of ${String(options.rounds)}: ${text}`);
    };
    rounds.push(await measureRound({ options, host, dir, corpus, random, say }, round));
  }
  const search = medianOf(rounds.map(({ figures }) => figures));
  const floor = medianOf(rounds.map((round) => round.floor));
  return {
    config: { corpus: corpus.what, page: PAGE },
    rounds: rounds.map((round) => ({ millrace: round.figures, floor: round.floor })),
    median: { ackedPerSecond: search.importedPerSecond, search },
    floor: { search: floor },
    ratio: searchRatio(search, floor),
    checked: rounds.map(({ checked }) => checked).reduce(addChecked),
    faults: rounds.flatMap(({ faults }) => faults).slice(0, FAULTS_MAX),
    lines: searchLines(search, floor),
    plots: [],
    notMeasured: [
      'Typesense: the index is the embedded one.',
      'An index larger than the memory of the machine: the system keeps its files there.',
      'Whether every message is found that should be: that is scripts/search-recall.mjs (docs/search.md).',
    ],
  };
}
