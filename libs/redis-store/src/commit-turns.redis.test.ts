import { partitionId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, appending, nowhere } from '@millrace/partition/conformance';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultCommitPipeLimits } from './commit-pipe.ts';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
const room = actorKey('c:room');
const { batchesInFlightMax, batchWritesMax } = defaultCommitPipeLimits;
let stores: RedisStores;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
});
afterEach(async () => {
  await redis.call('CLIENT', 'UNPAUSE');
  stores.close();
});

async function claimed(id: number): Promise<APartition> {
  const partition = new APartition(underTest(stores, redis), id);
  await partition.claim();
  return partition;
}

const whenRoom = (id: number, turn: () => void): void => {
  stores.partitions.whenRoom?.(partitionId(id), turn);
};

/** A few turns of the event loop, in which Redis would have answered. */
const aWhile = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns += 1) await redis.call('PING');
};

describe('a turn to commit', () => {
  it('comes at once when nothing is under way, but not before it is waited for', async () => {
    const taken: number[] = [];
    for (const id of [3, 1, 2]) whenRoom(id, () => taken.push(id));
    expect(taken).toEqual([]);
    await expect.poll(() => taken).toEqual([3, 1, 2]);
  });

  it('waits while as many batches are under way as may be, and then goes out (I9)', async () => {
    const busy = await Promise.all(Array.from({ length: batchesInFlightMax }, (_, id) => claimed(id)));
    const [waiting, behind] = [await claimed(10), await claimed(11)];
    await redis.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const first = [];
    for (const partition of busy) {
      first.push(stores.partitions.commit(partition.next([appending(room, nowhere, ['one'])])));
      await aWhile();
    }
    const taken: string[] = [];
    const outcomes = [waiting, behind].map(
      (partition) =>
        new Promise((resolve) => {
          whenRoom(partition.id, () => {
            taken.push(String(partition.id));
            resolve(stores.partitions.commit(partition.next([appending(room, nowhere, ['two'])])));
          });
        }),
    );
    await aWhile();
    expect(taken).toEqual([]);
    await redis.call('CLIENT', 'UNPAUSE');
    expect(await Promise.all([...first, ...outcomes])).toEqual(
      Array.from({ length: batchesInFlightMax + 2 }, () => ({ code: 'ok' })),
    );
    expect(taken).toEqual(['10', '11']);
  });

  it('waits for the next batch when those before it have filled this one', async () => {
    const [large, small] = [await claimed(1), await claimed(2)];
    const filling = appending(
      room,
      nowhere,
      Array.from({ length: batchWritesMax }, (_, index) => String(index)),
    );
    // Nothing is answered, so that there is room for one more batch only.
    await redis.call('CLIENT', 'PAUSE', '60000', 'WRITE');
    const others = [];
    for (let id = 20; id < 20 + batchesInFlightMax - 1; id += 1) {
      const other = new APartition(underTest(stores, redis), id);
      others.push(stores.partitions.commit(other.next([appending(room, nowhere, ['one'])])));
      await aWhile();
    }
    const taken: string[] = [];
    whenRoom(1, () => {
      taken.push('large');
      others.push(stores.partitions.commit(large.next([filling])));
    });
    whenRoom(2, () => {
      taken.push('small');
      others.push(stores.partitions.commit(small.next([appending(room, nowhere, ['one'])])));
    });
    await expect.poll(() => taken).toEqual(['large']);
    await aWhile();
    expect(taken).toEqual(['large']);
    await redis.call('CLIENT', 'UNPAUSE');
    await expect.poll(() => taken).toEqual(['large', 'small']);
    expect((await Promise.all(others)).map(({ code }) => code).slice(-2)).toEqual(['ok', 'ok']);
  });

  it('comes when Redis is away, and what it commits is refused', async () => {
    stores.close();
    const partition = new APartition(underTest(stores, redis), 1);
    const outcome = await new Promise((resolve) => {
      whenRoom(1, () => {
        resolve(stores.partitions.commit(partition.next([appending(room, nowhere, ['one'])])));
      });
    });
    expect(outcome).toMatchObject({ code: 'unavailable' });
  });
});
