import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Asking } from './support/asking.ts';
import { allHits, openedIndex, shownHit, untilIndexed } from './support/index-content.ts';
import { MillraceCluster, ROOMS, SteadyLoad, USERS } from './support/millrace-cluster.ts';
import { startMillrace } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';
import { Searcher } from './support/searcher.ts';
import { SharedIndex } from './support/shared-index.ts';
import type { Acknowledged } from './support/sturdy-sender.ts';
import { testApiKey } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
/** `MILLRACE_TEST_KILLS=50 npm test -- search-nodes`: so many. */
const KILLS = Number(process.env['MILLRACE_TEST_KILLS'] ?? 2);
/** Few: a user asks so often in a second, and no more. */
const MESSAGES = 8;
const ENV = { MILLRACE_PARTITIONS: String(PARTITIONS), MILLRACE_LEASE_MS: '1500' };
const TEA = 'tea' as ConversationId;
const [ben, cleo, dora] = ['ben', 'cleo', 'dora'] as never as readonly [UserId, UserId, UserId];

/** What somebody finds now, with its counts, which tell of nothing else. */
async function found(session: RawSession, text: string): Promise<readonly string[]> {
  const page = await session.request({ t: 'search', text, prefix: false, limit: 100, count: true });
  if (!page.ok) throw new Error(JSON.stringify(page.error));
  const { hits, counts, complete } = page.value;
  expect(complete).toBe(true);
  expect(counts?.total).toBe(hits.length);
  expect((counts?.conversations ?? []).reduce((sum, { count }) => sum + count, 0)).toBe(hits.length);
  return hits.map(({ message }) => String(message.body)).sort();
}

/**
 * No Typesense can be had from the registries: a stand-in holds the index of both nodes (docs/search.md). What is asked, who
 * may see what, and that it is found right behind its ack is the same for every engine.
 */
describe('two nodes that search in one index', () => {
  const redis = testRedis();
  const open: RawSession[] = [];
  let dir = '';
  let shared: SharedIndex;
  let cluster: MillraceCluster;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-search-nodes-'));
    shared = await SharedIndex.start(dir);
    cluster = new MillraceCluster(redis.url, { ...ENV, ...shared.env });
    for (let count = 0; count < 2; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  }, 120_000);
  afterEach(() => {
    for (const session of open.splice(0)) session.close();
  });
  afterAll(async () => {
    await cluster.stop();
    await shared.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const as = async (user: string, node = 0): Promise<RawSession> => {
    const session = await connectAs(cluster.nodes[node]?.socketUrl ?? '', user, `${user}-${String(node)}`);
    open.push(session);
    return session;
  };
  const valueOf = <T>(
    answer: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
  ): T => {
    if (answer.ok) return answer.value;
    throw new Error(JSON.stringify(answer.error));
  };

  it('find through the other one what was acknowledged, and with the next question nothing that may not be seen (I7)', async () => {
    const first = await as('ann');
    let n = 0;
    const next = () => {
      n += 1;
      return { conversation: TEA, n, sentAt: n };
    };
    const say = async (body: string): Promise<SequenceId> =>
      valueOf(await first.request({ t: 'send', ...next(), type: 'text', body })).seq;
    const members = [ben, cleo, dora];
    valueOf(await first.request({ t: 'create', kind: 'group', conversation: TEA, members, historyPolicy: 'all' }));
    const readers = [await as('ann', 1), await as('ben', 1), await as('cleo', 1), await as('dora', 1)];
    const [, asBen, asCleo, asDora] = readers as [RawSession, RawSession, RawSession, RawSession];
    const eachFinds = (word: string): Promise<readonly (readonly string[])[]> =>
      Promise.all(readers.map((reader) => found(reader, word)));
    await until('it is in every list', async () => {
      await say('kettle 0');
      await sleep(200);
      return (await eachFinds('kettle')).every(({ length }) => length > 0);
    });
    const seqs: SequenceId[] = [];
    for (let number = 1; number <= MESSAGES; number += 1) {
      seqs.push(await say(`pot ${String(number)}`));
      for (const one of await eachFinds('pot')) expect(one).toHaveLength(number);
    }
    const [recalled, hidden, edited] = seqs as [SequenceId, SequenceId, SequenceId];
    valueOf(await first.request({ t: 'recall', ...next(), seq: recalled }));
    for (const one of await eachFinds('pot')) expect(one).not.toContain('pot 1');
    valueOf(await first.request({ t: 'edit', ...next(), seq: edited, body: 'cup 3' }));
    for (const one of await eachFinds('pot')) expect(one).toHaveLength(MESSAGES - 2);
    expect(await found(asCleo, 'cup')).toEqual(['cup 3']);
    valueOf(await asBen.request({ t: 'delete', conversation: TEA, seq: hidden }));
    expect((await eachFinds('pot')).map(({ length }) => length)).toEqual([6, 5, 6, 6]);

    // Who is out finds what was said while they were in, and nothing else.
    valueOf(await first.request({ t: 'ban', conversation: TEA, users: [ben] }));
    await say('pot of the others');
    expect((await eachFinds('pot')).map(({ length }) => length)).toEqual([7, 5, 7, 7]);
    valueOf(await first.request({ t: 'kick', conversation: TEA, users: [cleo] }));
    valueOf(await asDora.request({ t: 'leave', conversation: TEA }));
    await say('pot of ann alone');
    expect((await eachFinds('pot')).map(({ length }) => length)).toEqual([8, 5, 7, 7]);
    expect(await found(asDora, 'alone')).toEqual([]);
    // What was recalled meanwhile is gone for them, too.
    valueOf(await first.request({ t: 'recall', ...next(), seq: seqs[5] as SequenceId }));
    for (const one of await eachFinds('pot')) expect(one).not.toContain('pot 6');
  }, 60_000);

  it(
    'answer for nothing that is not so while they are killed in turn, and then find everything, as an index made anew (I1, I7)',
    async () => {
      const [ROOM] = ROOMS as [ConversationId];
      const load = await SteadyLoad.start(cluster, 150);
      const acknowledged = (): readonly Acknowledged[] => load.senders.flatMap((sender) => sender.acknowledged);
      const owner = await as('ann');
      const guest = 'gus' as UserId;
      valueOf(await owner.request({ t: 'invite', conversation: ROOM, users: [guest] }));
      await load.untilMore(100);
      const removed = valueOf(await owner.request({ t: 'ban', conversation: ROOM, users: [guest] }));

      const recalling = new Set<string>();
      const recalled: Acknowledged[] = [];
      const anyOf = <T>(all: readonly T[]): T | undefined => all[Math.floor(Math.random() * all.length)];
      const wordsOf = ({ text, conversation }: Acknowledged) => ({
        ...{ text: `"${text}"`, prefix: false, conversations: [conversation] },
      });
      const url = (): string => cluster.nextSocketUrl();
      const asking = [
        new Asking('ben', url, () => {
          const newest = anyOf(load.senders.flatMap((sender) => sender.acknowledged.slice(-1)));
          if (newest === undefined) return null;
          const { text } = newest;
          return [
            wordsOf(newest),
            ({ hits, complete }) => {
              if (recalling.has(text) || (!complete && hits.length === 0)) return;
              expect(hits.map(({ message }) => message.body)).toEqual([text]);
            },
          ];
        }),
        new Asking('cleo', url, () => {
          const gone = anyOf(recalled);
          if (gone === undefined) return null;
          return [
            wordsOf(gone),
            ({ hits }) => {
              expect(hits).toEqual([]);
            },
          ];
        }),
        new Asking(guest, url, () => [
          { text: 'says', conversations: [ROOM], limit: 100, count: true },
          ({ hits, counts, complete }) => {
            expect(hits.filter(({ message }) => message.seq >= removed.seq)).toEqual([]);
            if (complete) expect(hits.length).toBeGreaterThan(0);
            expect(counts?.total).toBeLessThan(removed.seq);
          },
        ]),
      ];
      const recall = async (message: Acknowledged): Promise<void> => {
        const { conversation, seq, text } = message;
        recalling.add(text);
        const path = `/api/v1/conversations/${conversation}/messages/${String(seq)}/recall`;
        const headers = { authorization: `Bearer ${testApiKey}` };
        // Who owns it may be another one by now.
        await until('it is recalled', async () => {
          const { ok } = await fetch(`${cluster.nodes[0]?.httpUrl ?? ''}${path}`, { method: 'POST', headers });
          return ok;
        });
        recalled.push(message);
      };
      for (const one of asking) one.start();
      for (let kill = 0; kill < KILLS; kill += 1) {
        await load.untilMore(200);
        for (const message of acknowledged().slice(-3)) await recall(message);
        await sleep(Math.random() * 300);
        await cluster.nodes[kill % 2]?.restart();
      }
      await load.untilMore(200);
      // What was recalled is not what its sender was told any more.
      const { lost, duplicated, gaps } = await load.findings();
      expect([lost.length, duplicated, gaps]).toEqual([recalled.length * USERS.length, [], []]);
      for (const one of asking) {
        await one.finish();
        expect(one.answers).toBeGreaterThan(0);
      }
      const standing = acknowledged().filter(({ text }) => !recalling.has(text));
      const texts = standing.map(({ text }) => text).sort();
      for (const [at, node] of cluster.nodes.entries()) {
        const searcher = await Searcher.at(node, USERS[at] ?? '', 'in-the-end');
        const bodies: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null;) {
          const question = { t: 'search', text: 'says', conversations: ROOMS, limit: 100 } as const;
          const page = await searcher.ask({ ...question, ...(cursor === undefined ? {} : { cursor }) });
          expect(page.complete).toBe(true);
          bodies.push(...page.hits.map(({ message }) => String(message.body)));
          cursor = page.next;
        }
        searcher.close();
        expect(bodies.sort()).toEqual(texts);
      }

      await untilIndexed(...cluster.nodes);
      for (const session of open.splice(0)) session.close();
      await cluster.stop();
      const directory = join(dir, 'anew');
      const anew = await startMillrace(redis.url, { ...ENV, MILLRACE_SEARCH: `sqlite:${directory}` });
      await untilIndexed(anew).finally(() => anew.stop());
      const [followed, scratch] = [await shared.open(), await openedIndex(directory)];
      const [one, other] = [await allHits(followed, ROOMS), await allHits(scratch, ROOMS)];
      expect(one.map(shownHit).sort()).toEqual(other.map(shownHit).sort());
      expect(one).toHaveLength(standing.length);
      await followed.close();
      await scratch.close();
    },
    180_000 + KILLS * 30_000,
  );
});
