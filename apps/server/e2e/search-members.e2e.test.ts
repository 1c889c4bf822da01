import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scopedKeysVariable } from './support/http-caller.ts';
import { untilIndexed } from './support/index-content.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { lineOf, Searcher, type FoundHere, type Question } from './support/searcher.ts';
import { SharedIndex } from './support/shared-index.ts';
import { testApiKey } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 8;
/** `MILLRACE_TEST_GOINGS=50 npm test -- search-members`: so many while others write. */
const GOINGS = Number(process.env['MILLRACE_TEST_GOINGS'] ?? 6);
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_API_KEYS: `${scopedKeysVariable},test:admin:${testApiKey}`,
  MILLRACE_SEARCH_FIELDS: '{"custom":{"text":["/title"],"fields":{"order":"/order"}}}',
};
/** How somebody who was in a conversation is so no more. */
const WAYS = ['leave', 'kick', 'ban'] as const;
type Way = (typeof WAYS)[number];
const CASES = WAYS.flatMap((way) => (['join', 'all'] as const).map((policy) => [way, policy] as const));

/** A user at each node. */
type Everywhere = readonly [Searcher, ...Searcher[]];
type Said = readonly [ConversationId, { readonly seq: SequenceId }, string];

const linesOf = (said: readonly Said[]): readonly string[] =>
  said.map(([conversation, { seq }, body]) => lineOf(conversation, { seq, body })).sort();
const last = (all: Everywhere): Searcher => all.at(-1) ?? all[0];

/** By all that a question can have: none of them may tell of what is hidden. */
const questionsOf = (ann: UserId, ben: UserId): readonly Question[] => [
  { text: 'ket' },
  { text: 'kettle', prefix: false, sort: 'relevance' },
  { text: '"green kettle"' },
  { text: 'hush' },
  { text: '咖啡' },
  { senders: [ann] },
  { mentioning: ben },
  { types: ['custom'] },
  { fields: [{ name: 'order', min: 1 }] },
];

function go(way: Way, conversation: ConversationId, owner: Searcher, ben: Searcher) {
  return way === 'leave'
    ? ben.ask({ t: 'leave', conversation })
    : owner.ask({ t: way, conversation, users: [ben.user] });
}

/** What every node says, over both ways: all the same. */
async function found(askers: Everywhere, question: Question): Promise<FoundHere> {
  const asked = { limit: 100, count: true, ...question };
  const answers = await Promise.all(askers.flatMap((each) => [each.search(asked), each.searchByHttp(asked)]));
  const [first, ...others] = answers;
  if (first === undefined) throw new Error('nobody asked');
  for (const other of others) expect({ ...other, whole: '' }).toEqual({ ...first, whole: '' });
  return { ...first, whole: answers.map(({ whole }) => whole).join('\n') };
}

/** A hit a page, each through another node. */
async function paged(askers: Everywhere, question: Question): Promise<readonly FoundHere[]> {
  const pages: FoundHere[] = [];
  for (let cursor: string | null | undefined; cursor !== null; cursor = pages.at(-1)?.next ?? null) {
    const through = askers[pages.length % askers.length] ?? askers[0];
    pages.push(await through.search({ ...question, limit: 1, ...(cursor === undefined ? {} : { cursor }) }));
  }
  return pages;
}

/** On one node with an index of its own in a directory, and on two that share one. */
describe.each([1, 2])('a search of who is in a conversation no more, nodes: %i', (nodes) => {
  const redis = testRedis();
  const open: Searcher[] = [];
  let dir = '';
  let cluster: MillraceCluster;
  let shared: SharedIndex | null = null;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-search-e2e-'));
    await redis.flush();
    shared = nodes === 1 ? null : await SharedIndex.start(dir);
    const index = shared?.env ?? { MILLRACE_SEARCH: `sqlite:${join(dir, 'index')}` };
    cluster = new MillraceCluster(redis.url, { ...ENV, ...index });
    for (let count = 0; count < nodes; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  });
  afterEach(() => {
    for (const searcher of open.splice(0)) searcher.close();
  });
  afterAll(async () => {
    await cluster.stop();
    await shared?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const everywhere = async (user: string): Promise<Everywhere> => {
    const [first, ...others] = await Promise.all(
      cluster.nodes.map((node, at) => Searcher.at(node, user, `at-${String(at)}`)),
    );
    if (first === undefined) throw new Error('there are nodes');
    open.push(first, ...others);
    return [first, ...others];
  };

  it.each(CASES)(
    'has nothing, from the next question on, of what is said behind it: %s, history %s (I7)',
    async (way, policy) => {
      const room = `${way}-${policy}-room` as ConversationId;
      const other = `${way}-${policy}-other` as ConversationId;
      // Users of this test alone, who are asked for everything that they may see.
      const [owners, bens, cleos] = [
        await everywhere(`ann-${way}-${policy}`),
        await everywhere(`ben-${way}-${policy}`),
        await everywhere(`cleo-${way}-${policy}`),
      ];
      const [[ann], [ben], [cleo]] = [owners, bens, cleos];
      const group = { t: 'create', kind: 'group', joinPolicy: 'invite', historyPolicy: policy } as const;
      await ann.ask({ ...group, conversation: room, members: [cleo.user] });
      await ann.ask({ ...group, conversation: other, members: [ben.user] });
      const early = await ann.say(room, 'kettle from long ago');
      await ann.ask({ t: 'invite', conversation: room, users: [ben.user] });
      const first = await ann.say(room, 'a green kettle');
      const second = await ann.say(room, 'kettle two 咖啡');
      const elsewhere = await ann.say(other, 'kettle elsewhere');
      const before: readonly Said[] = [
        ...(policy === 'all' ? [[room, early, 'kettle from long ago'] as const] : []),
        [room, first, 'a green kettle'],
        [room, second, 'kettle two 咖啡'],
        [other, elsewhere, 'kettle elsewhere'],
      ];
      const seen = linesOf(before);
      const kettle = { text: 'kettle' };
      await until('both are in their list', async () => (await ben.searchByHttp(kettle)).hits.length === seen.length);
      expect([...(await found(bens, kettle)).hits].sort()).toEqual(seen);
      const atFirst = await ben.search({ ...kettle, limit: 1 });

      await go(way, room, last(owners), last(bens));
      const unseen = [
        await ann.say(room, 'hush kettle 1'),
        await last(owners).say(room, 'hush green kettle 2 咖啡', { mentions: [cleo.user] }),
        await ann.say(room, 'hush kettle 3', { mentionAll: true }),
        await ann.say(room, '{"title":"hush kettle","order":7}', { type: 'custom' }),
      ];
      await ann.edit(room, first.seq, 'hush teapot');

      const looksRight = async (): Promise<void> => {
        const { hits, marked, counts, complete, whole } = await found(bens, kettle);
        expect([...hits].sort()).toEqual(seen);
        // In the text that they have, of which everybody else has another by now.
        expect(marked).toEqual(hits.map(() => 'kettle'));
        expect(complete).toBe(true);
        const conversations = [
          { conversation: room, count: seen.length - 1 },
          { conversation: other, count: 1 },
        ];
        expect(counts).toEqual({ total: seen.length, exact: true, conversations });
        expect(whole).not.toContain('hush');
        for (const question of [...questionsOf(ann.user, ben.user), { ...kettle, conversations: [room] }]) {
          const here = await found(bens, question);
          expect(here.whole).not.toContain('hush');
          for (const { seq } of unseen) expect(here.whole).not.toContain(`"${room}",${String(seq)}`);
          expect(here.hits.filter((line) => !seen.includes(line))).toEqual([]);
          expect(here.counts).toMatchObject({ total: here.hits.length, exact: true });
        }
        const pages = await paged(bens, kettle);
        expect(pages.flatMap((page) => page.hits).sort()).toEqual(seen);
        expect(pages.map((page) => page.whole).join('\n')).not.toContain('hush');
        // Where a page of before goes on: the last hit of that may come once more.
        const rest = await last(bens).search({ ...kettle, limit: 100, cursor: atFirst.next ?? '' });
        expect([...new Set([...atFirst.hits, ...rest.hits])].sort()).toEqual(seen);
        // And what they read is what they find.
        const read = await Promise.all(
          [room, other].map(async (each) => (await ben.readable(each)).map((message) => lineOf(each, message))),
        );
        const kettles = read.flat().filter((line) => line.includes('kettle'));
        expect(kettles.sort()).toEqual(seen);
      };
      await looksRight();
      await untilIndexed(...cluster.nodes);
      await looksRight();
      expect((await found(cleos, { text: 'hush' })).hits).toHaveLength(unseen.length + 1);
      expect((await found(cleos, { fields: [{ name: 'order', is: 7 }] })).hits).toHaveLength(1);

      if (way === 'ban') await ann.ask({ t: 'unban', conversation: room, users: [ben.user] });
      await last(owners).ask({ t: 'invite', conversation: room, users: [ben.user] });
      const again = await ann.say(room, 'kettle again');
      const { hits, whole } = await found(bens, kettle);
      if (policy === 'join') {
        expect([...hits].sort()).toEqual(linesOf([...before, [room, again, 'kettle again']]));
        expect(whole).not.toContain('hush');
      } else {
        // All of it is theirs to see now, and the edit with it.
        expect(hits).toHaveLength(before.length - 1 + unseen.length + 1);
        expect((await found(bens, { text: 'teapot' })).hits).toEqual(linesOf([[room, first, 'hush teapot']]));
      }
    },
    120_000,
  );

  it(
    'is without it as soon as the removal is answered, while others write all the time (I7)',
    async () => {
      const room = 'busy' as ConversationId;
      const [owners, bens, cleos] = [await everywhere('ann'), await everywhere('ben'), await everywhere('cleo')];
      const group = { t: 'create', kind: 'group', joinPolicy: 'invite', historyPolicy: 'join' } as const;
      await owners[0].ask({ ...group, conversation: room, members: [cleos[0].user] });
      let isOver = false;
      let word = 'none';
      const acked: { readonly seq: number; readonly word: string; readonly line: string }[] = [];
      const writing = [...owners, ...cleos].map(async (writer, number) => {
        for (let count = 0; !isOver; count += 1) {
          const [said, body] = [word, `${word} ${String(number)} ${String(count)}`];
          const { seq } = await writer.say(room, body);
          acked.push({ seq, word: said, line: lineOf(room, { seq, body }) });
          await sleep(5);
        }
      });
      const removeAgain = async (round: number): Promise<void> => {
        const way = WAYS[round % WAYS.length] ?? 'kick';
        const owner = owners[round % owners.length] ?? owners[0];
        const ben = bens[round % bens.length] ?? bens[0];
        word = `round${String(round)}x`;
        const came = await owner.ask({ t: 'invite', conversation: room, users: [ben.user] });
        const isSeen = (each: (typeof acked)[number]): boolean => each.word === word && each.seq > came.seq;
        await until('others have written', () => acked.filter(isSeen).length > 10);
        await sleep(Math.random() * 50);
        const went = await go(way, room, owner, ben);
        const mustFind = acked.filter((each) => isSeen(each) && each.seq < went.seq);
        expect(mustFind.length).toBeLessThan(100);
        const question = { text: word, conversations: [room], limit: 100, count: true };
        for (const waitMs of [0, 0, 100]) {
          await sleep(waitMs);
          const asked = bens.flatMap((each) => [each.search(question), each.searchByHttp(question)]);
          for (const { hits, counts, complete } of await Promise.all(asked)) {
            const seqs = hits.map((line) => Number(line.split(' ')[1]));
            expect(seqs.filter((seq) => seq <= came.seq || seq >= went.seq)).toEqual([]);
            expect(mustFind.filter(({ line }) => !hits.includes(line))).toEqual([]);
            expect(counts).toMatchObject({ total: hits.length, exact: true });
            expect(complete).toBe(true);
          }
        }
        if (way === 'ban') await owner.ask({ t: 'unban', conversation: room, users: [ben.user] });
      };
      try {
        for (let round = 0; round < GOINGS; round += 1) await removeAgain(round);
      } finally {
        isOver = true;
        await Promise.allSettled(writing);
      }
      await Promise.all(writing);
    },
    60_000 + GOINGS * 10_000,
  );
});
