import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, sequenceId, type ConversationId, type Random, type UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { ChatService } from '@millrace/messaging';
import { partitionOf } from '@millrace/partition';
import type { Message } from '@millrace/protocol';
import type { SearchDocument } from '@millrace/search';
import { SqliteSearch } from '@millrace/search/sqlite';
import { MemorySearch } from '@millrace/search/testing';
import { conversationKey, type TimelineHead } from '@millrace/timeline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { principal, RandomHistory } from './testing/random-history.ts';
import { SearchFeeder } from './testing/search-feeder.ts';
import { PARTITIONS, startSearchableNode, type SearchableNode } from './testing/searchable-node.ts';

/*
 * Random histories over a real Redis and a real index that is behind at a random position of each conversation: whoever
 * searches gets what a look at everything that they may read finds, no more and no less.
 */

const SEED = 20_261_127;
const RUNS = Number(process.env['MILLRACE_TEST_HISTORIES'] ?? 3);
const QUERIES = [
  'kettle',
  'ket',
  'cafe',
  '咖',
  '咖啡',
  '京大',
  '北京大学',
  'ชา',
  'าแ',
  '"green kettle"',
  'ok green',
  '👋',
  'zzz',
];

const redis = testRedis();
let dir = '';
let index: SqliteSearch;
let running: SearchableNode;
let run = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-histories-'));
  const program = new URL('../../../dist/search-worker.mjs', import.meta.url);
  const opened = await SqliteSearch.open({ directory: join(dir, 'index'), program });
  if (!opened.ok) throw new Error(opened.error.message);
  index = opened.value;
  running = await startSearchableNode(redis.url, index);
});
afterAll(async () => {
  await running.stop();
  await index.close();
  rmSync(dir, { recursive: true });
});

const ownerOf = (room: ConversationId): ReturnType<typeof partitionOf> =>
  partitionOf(conversationKey(room), PARTITIONS);

/** Heads as they are stored; the tests ask between commits, so that nothing is stored that is not acknowledged. */
async function headOf(conversation: ConversationId): Promise<TimelineHead> {
  const record = await running.stores.partitions.loadFields(ownerOf(conversation), conversationKey(conversation), []);
  if (!record.ok || record.value.head === null) throw new Error(`${conversation} has no head`);
  return record.value.head;
}

/** Every message of a conversation as the user reads it. */
async function readable(chat: ChatService, user: UserId, conversation: ConversationId): Promise<readonly Message[]> {
  const all: Message[] = [];
  for (let from = sequenceId(1); ;) {
    const page = await chat.history(principal(user), { conversation, direction: 'forward', from, limit: 1_000 });
    if (!page.ok) return [];
    all.push(...page.value.messages.map(({ message }) => message));
    const last = all.at(-1);
    if (!page.value.hasMore || last === undefined) return all;
    from = sequenceId(last.seq + 1);
  }
}

/** An index in memory of exactly what the user may read now. */
async function modelFor(chat: ChatService, user: UserId, rooms: readonly ConversationId[]): Promise<MemorySearch> {
  const model = new MemorySearch();
  for (const [at, conversation] of rooms.entries()) {
    const documents = (await readable(chat, user, conversation)).flatMap((message): readonly SearchDocument[] => {
      const { gen, seq, from, type, body, at: sequenced, recalled, deleted, mentions = [] } = message;
      if (from === null || type === 'control' || type === 'void' || recalled !== undefined || deleted === true)
        return [];
      const text = type === 'text' ? String(body) : '';
      return [
        {
          conversation,
          gen,
          seq,
          rev: 0,
          sender: from,
          type,
          at: sequenced,
          text,
          mentions,
          mentionAll: false,
          fields: {},
        },
      ];
    });
    const changes = documents.map((document) => ({ kind: 'put' as const, document }));
    const partition = ownerOf(conversation);
    const after = await model.cursor(partition);
    if (!after.ok) throw new Error('the model is down');
    for (let from = 0; from < changes.length; from += 1_000) {
      const batch = { partition, after: after.value, cursor: `c${String(at)}`, through: [] };
      expect(await model.apply({ ...batch, changes: changes.slice(from, from + 1_000) })).toMatchObject({ ok: true });
    }
  }
  return model;
}

type Asked = Omit<Parameters<ChatService['search']>[1], 'limit' | 'cursor'>;

/** Every hit, page by page, and the counts of the first one. */
async function searched(chat: ChatService, user: UserId, asked: Asked, limit: number) {
  const names: string[] = [];
  const times: number[] = [];
  let cursor: string | null | undefined;
  let counts: unknown;
  while (cursor !== null) {
    const page = await chat.search(principal(user), {
      ...asked,
      limit,
      ...(cursor === undefined ? { count: true } : { cursor }),
    });
    if (!page.ok) throw new Error(JSON.stringify(page.error));
    expect(page.value.complete).toBe(true);
    expect(page.value.hits.length).toBeLessThanOrEqual(limit);
    for (const { conversation, message, places } of page.value.hits) {
      const { seq, message: told } = message;
      names.push(`${conversation} ${String(seq)} ${String(told.body)}`);
      times.push(told.at);
      expect(places.length > 0).toBe(asked.text !== undefined);
    }
    counts ??= page.value.counts;
    cursor = page.value.next;
  }
  return { names, times, counts };
}

async function wanted(
  model: MemorySearch,
  chat: ChatService,
  user: UserId,
  rooms: readonly ConversationId[],
  asked: Asked,
) {
  const texts = new Map<string, string>();
  for (const room of rooms) {
    for (const { seq, body } of await readable(chat, user, room)) texts.set(`${room} ${String(seq)}`, String(body));
  }
  const everything = [{ from: sequenceId(1), to: sequenceId(Number.MAX_SAFE_INTEGER) }];
  const { conversations = rooms, count: _count, sort: _sort, ...query } = asked;
  const scope = conversations.map((conversation) => ({ conversation, visible: everything }));
  const page = await model.search({ ...query, scope, sort: 'time', limit: 100, facets: true });
  if (!page.ok) throw new Error(JSON.stringify(page.error));
  expect(page.value.next).toBeNull();
  const { hits, total, facets = [] } = page.value;
  const names = hits.map(
    ({ conversation, seq }) => `${conversation} ${String(seq)} ${texts.get(`${conversation} ${String(seq)}`) ?? '?'}`,
  );
  return { names, counts: { total, exact: true, conversations: facets } };
}

/** Asks as every user, and holds the answers against what they may read. */
async function check(history: RandomHistory, random: Random): Promise<void> {
  const { chat } = running.node;
  for (const user of history.users) {
    const model = await modelFor(chat, user, history.rooms);
    const texts = QUERIES.filter(() => random.fraction() < 0.4);
    for (const text of [undefined, ...texts]) {
      const filters: Partial<Asked> =
        random.fraction() < 0.3 ? { senders: [history.users[1] ?? user], types: ['text'] } : {};
      const sort = random.fraction() < 0.3 ? ('relevance' as const) : ('time' as const);
      const asked: Asked = { ...(text === undefined ? {} : { text }), ...filters, sort };
      const limit = 1 + Math.floor(random.fraction() * 5);
      const expected = await wanted(model, chat, user, history.rooms, asked);
      const found = await searched(chat, user, asked, limit);
      expect({ user, asked, names: [...found.names].sort(), counts: found.counts }).toEqual({
        ...{ user, asked, names: [...expected.names].sort() },
        counts: { ...expected.counts, conversations: expected.counts.conversations },
      });
      if (sort === 'time') expect(found.times).toEqual([...found.times].sort((one, other) => other - one));
      const [room] = history.rooms;
      if (room === undefined || random.fraction() < 0.8) continue;
      const named = await chat.search(principal(user), { ...asked, conversations: [room], limit: 100 });
      const inRoom = expected.names.filter((name) => name.startsWith(`${room} `)).length;
      if (named.ok) expect(named.value.hits.length).toBe(inRoom);
      else expect([named.error.code, inRoom]).toEqual(['not_member', 0]);
    }
  }
}

const feeder = (): SearchFeeder =>
  new SearchFeeder({
    index,
    // Of the run that there is then.
    timelines: {
      range: (...asked) => running.stores.timelines.range(...asked),
      at: (...asked) => running.stores.timelines.at(...asked),
    },
    partitionOf: ownerOf,
    headOf,
  });

/** Feeds each room up to a random position, or not at all. */
async function feedSome(feed: SearchFeeder, { rooms }: RandomHistory, random: Random): Promise<void> {
  for (const room of rooms) {
    const { seq } = await headOf(room);
    await feed.feed(room, Math.floor(random.fraction() * (seq + 1)));
  }
}

describe('an answer over the index and what is behind it', () => {
  it(
    'is what a look at everything finds that the user may read now, over random histories (I7)',
    async () => {
      for (let round = 0; round < RUNS; round += 1) {
        const random = seededRandom(SEED + round);
        const history = new RandomHistory(running.node.chat, random, `h${String(round)}`, headOf);
        await history.begin();
        const feed = feeder();
        const steps = 80 + Math.floor(random.fraction() * 120);
        for (let step = 0; step < steps; step += 1) {
          await history.step();
          if (random.fraction() < 0.05) await feedSome(feed, history, random);
        }
        await feedSome(feed, history, random);
        await check(history, random);
      }
    },
    RUNS * 60_000,
  );

  it('has nothing of a generation that was lost, though the index has it, and finds what came in its place', async () => {
    const random = seededRandom(SEED - 1);
    const history = new RandomHistory(running.node.chat, random, 'lost', headOf);
    await history.begin();
    for (let step = 0; step < 40; step += 1) await history.step();
    const before = await Promise.all(history.rooms.map(headOf));
    const kept = await writtenBytes();
    for (let step = 0; step < 30; step += 1) await history.step();
    const feed = feeder();
    for (const room of history.rooms) await feed.feed(room, Number.MAX_SAFE_INTEGER);
    await loseAllBehind(kept);
    const survived = await Promise.all(history.rooms.map(headOf));
    expect(survived.map(({ seq }) => seq)).toEqual(before.map(({ seq }) => seq));
    history.goOn(running.node.chat);
    await check(history, random);
    for (let step = 0; step < 30; step += 1) await history.step();
    const gens = (await Promise.all(history.rooms.map(headOf))).map(({ past }) => past.length);
    expect(Math.max(...gens)).toBeGreaterThan(0);
    await check(history, random);
    await feedSome(feed, history, random);
    await check(history, random);
  }, 300_000);
});

function aofPath(): string {
  const file = redis.server.aofFiles().at(-1);
  if (file === undefined) throw new Error('this Redis has no append-only file');
  return file.path;
}

/** The size of the log, once all is in it: while the disk is busy Redis puts writing off, for up to two seconds. */
async function writtenBytes(): Promise<number> {
  const buffered = async (): Promise<string> => String(await redis.call('INFO', 'persistence'));
  await expect.poll(buffered, { timeout: 20_000, interval: 20 }).toMatch(/^aof_buffer_length:0\r?$/m);
  return statSync(aofPath()).size;
}

/** Redis and the node both end at once, and the end of what was written is gone. */
async function loseAllBehind(bytes: number): Promise<void> {
  await redis.server.kill('SIGKILL');
  running.crash();
  truncateSync(aofPath(), bytes);
  const restarted = await redis.server.restart();
  if (!restarted.ok) throw new Error(JSON.stringify(restarted.error));
  run += 1;
  running = await startSearchableNode(redis.url, index, 1 + run);
}
