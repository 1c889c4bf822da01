import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { RawSession } from '@millrace/raw-client';
import { FakeTypesense, OpenApiCheck } from '@millrace/search/typesense/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MillraceCluster, ROOMS, SteadyLoad, USERS } from './support/millrace-cluster.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
/** `MILLRACE_TEST_KILLS=50 npm test -- search-nodes`: so many. */
const KILLS = Number(process.env['MILLRACE_TEST_KILLS'] ?? 2);
const KEY = 'the-key';
/** Few: a user asks so often in a second, and no more. */
const MESSAGES = 8;
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
  let fake: FakeTypesense;
  let cluster: MillraceCluster;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-search-nodes-'));
    fake = await FakeTypesense.start(OpenApiCheck.fromEnvironment(), KEY);
    const keyFile = join(dir, 'key');
    writeFileSync(keyFile, KEY);
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: '1500',
      MILLRACE_SEARCH: `typesense:${fake.url}?name=nodes`,
      MILLRACE_SEARCH_KEY_FILE: keyFile,
    });
    for (let count = 0; count < 2; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  }, 120_000);
  afterEach(() => {
    for (const session of open.splice(0)) session.close();
  });
  afterAll(async () => {
    await cluster.stop();
    await fake.stop();
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
    'find everything that was acknowledged, and once, while they are killed in turn (I1)',
    async () => {
      const load = await SteadyLoad.start(cluster, 20);
      let answers = 0;
      const state = { isOver: false };
      const goesOn = (): boolean => !state.isOver;
      const asking = (async () => {
        while (goesOn()) {
          try {
            const session = await connectAs(cluster.nextSocketUrl(), 'eve', 'asking');
            while (goesOn() && session.isOpen) {
              const page = await session.request({ t: 'search', text: 'says', conversations: ROOMS, limit: 20 });
              if (!page.ok && page.error.kind === 'lost') break;
              await sleep(250);
              // It may say that it cannot answer now.
              if (page.ok) answers += 1;
              else if (page.error.kind !== 'refused' || page.error.error.retry !== 'later')
                throw new InvalidAnswer(JSON.stringify(page.error));
            }
            session.close();
          } catch (error) {
            if (error instanceof InvalidAnswer) throw error;
            // It is down at the moment.
          }
        }
      })();
      for (let kill = 0; kill < KILLS; kill += 1) {
        await load.untilMore(200);
        await cluster.nodes[kill % 2]?.restart();
      }
      await load.untilMore(200);
      expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
      state.isOver = true;
      await asking;
      expect(answers).toBeGreaterThan(0);
      const said = load.senders.flatMap(({ acknowledged }) => acknowledged).map(({ text }) => text);
      for (const [at, user] of USERS.slice(0, 2).entries()) {
        const session = await as(user, at);
        const bodies: string[] = [];
        for (let cursor: string | undefined; ;) {
          const more = cursor === undefined ? {} : { cursor };
          const page = valueOf(
            await session.request({ t: 'search', text: 'says', conversations: ROOMS, limit: 100, ...more }),
          );
          expect(page.complete).toBe(true);
          bodies.push(...page.hits.map(({ message }) => String(message.body)));
          if (page.next === null) break;
          cursor = page.next;
        }
        expect(bodies.sort()).toEqual([...said].sort());
      }
    },
    120_000 + KILLS * 30_000,
  );
});

class InvalidAnswer extends Error {
  override readonly name = 'InvalidAnswer';
}
