import { systemRandom } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, appending, at, nowhere, texts } from '@millrace/partition/conformance';
import { ByteBudget, StoreUnavailable } from '@millrace/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
let stores: RedisStores;
let partition: APartition;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
  partition = new APartition(underTest(stores, redis));
  await partition.claim();
});
afterEach(() => {
  stores.close();
});

const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => String(index + 1));
const read = (room: string, from: number, to: number, budget?: ByteBudget) =>
  stores.timelines.range(partition.id, actorKey(room), {
    ...{ from: at(1, from), to: at(1, to), limit: to - from + 1, direction: 'forward' },
    ...(budget === undefined ? {} : { budget }),
  });
const commandsOf = async (name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(String(await redis.call('INFO', 'commandstats')))?.[1] ?? 0);

describe('reads of ranges', () => {
  it('bring entries of any size and any bytes as they are', async () => {
    const sizes = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 300_000];
    const entries = sizes.map((size) =>
      systemRandom
        .id()
        .repeat(Math.ceil(size / 16))
        .slice(0, size),
    );
    await partition.stored([appending(actorKey('c:room'), nowhere, entries)]);
    expect(texts(await read('c:room', 1, sizes.length))).toEqual(
      entries.map((entry, index) => `1-${String(index + 1)} ${entry}`),
    );
  });

  it('of one turn go together, in calls of a bounded size', async () => {
    await partition.stored([appending(actorKey('c:room'), nowhere, numbers(1_000))]);
    const before = await commandsOf('fcall_ro');
    const pages = await Promise.all(
      Array.from({ length: 100 }, (_, page) => read('c:room', page * 10 + 1, page * 10 + 10)),
    );
    expect(pages.flatMap((page) => texts(page))).toEqual(numbers(1_000).map((number) => `1-${number} ${number}`));
    expect((await commandsOf('fcall_ro')) - before).toBe(2);
  });

  it('of a budget read no more than it has, and one entry for each call', async () => {
    const large = Array.from({ length: 40 }, () => 'x'.repeat(10_000));
    await partition.stored([
      appending(actorKey('c:one'), nowhere, large),
      appending(actorKey('c:two'), nowhere, large),
    ]);
    const budget = new ByteBudget(105_000);
    const [one, two] = await Promise.all([read('c:one', 1, 40, budget), read('c:two', 1, 40, budget)]);
    expect([one.length, two.length]).toEqual([11, 0]);
    expect(budget.isSpent).toBe(true);
  });

  it('are not concerned by another one that cannot be read', async () => {
    await partition.stored([appending(actorKey('c:room'), nowhere, numbers(3))]);
    await redis.call('SET', '{p7}:t:c:other', 'of another type');
    const [before, broken, behind] = await Promise.allSettled([
      read('c:room', 1, 2),
      read('c:other', 1, 2),
      read('c:room', 2, 3),
    ]);
    expect(before.status === 'fulfilled' && texts(before.value)).toEqual(['1-1 1', '1-2 2']);
    expect(broken.status === 'rejected' && broken.reason instanceof StoreUnavailable).toBe(true);
    expect(behind.status === 'fulfilled' && texts(behind.value)).toEqual(['1-2 2', '1-3 3']);
  });

  it('go on over maxmemory, and when Redis has lost the functions', async () => {
    await partition.stored([appending(actorKey('c:room'), nowhere, numbers(3))]);
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    try {
      expect(texts(await read('c:room', 1, 1))).toEqual(['1-1 1']);
    } finally {
      await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    }
    await redis.call('FUNCTION', 'FLUSH');
    expect(texts(await read('c:room', 2, 2))).toEqual(['1-2 2']);
  });
});
