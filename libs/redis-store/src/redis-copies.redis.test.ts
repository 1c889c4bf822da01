import { readFileSync } from 'node:fs';
import { generation, partitionId, systemClock, systemTimers, type NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { decideClaim } from '@millrace/partition';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { holdArchive } from './archive-hold.ts';
import { markCopied, snapshotRedis } from './redis-copies.ts';
import { openRedisStores } from './testing/open-stores.ts';

const alone = testRedis();
/** A Cluster of one node. */
const cluster = testRedis({ config: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' } });
const me = 'node-1' as NodeId;

beforeAll(async () => {
  await cluster.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
  await vi.waitUntil(async () => String(await cluster.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 20_000);
});
beforeEach(async () => {
  await alone.flush();
  await cluster.flush();
});

describe.each([
  ['a Redis', alone, null],
  ['a Cluster', cluster, '0-16383'],
] as const)('a copy of %s', (_what, redis, slots) => {
  it('is a file of all that it holds, each time anew', async () => {
    for (const value of ['first', 'second']) {
      await redis.call('SET', 'key', value);
      const taken = await snapshotRedis(redis.url, systemTimers);
      expect(taken).toMatchObject({ ok: true, value: [{ slots }] });
      const file = taken.ok ? readFileSync(taken.value[0]?.file ?? '') : Buffer.alloc(0);
      expect(file.subarray(0, 5).toString()).toBe('REDIS');
      expect(file.includes(value)).toBe(true);
    }
  });

  it('has nothing leave the archive while it is taken, by anybody, and no longer than was said', async () => {
    const stores = await openRedisStores(redis.url, { keyPrefix: 'blue:' });
    const others = await openRedisStores(redis.url, { keyPrefix: 'green:' });
    onTestFinished(() => {
      stores.close();
      others.close();
    });
    const hold = async (id: string, forMs: number) => {
      const held = await holdArchive({ url: redis.url, prefix: 'blue:', forMs, id }, systemClock);
      if (!held.ok) throw new Error(held.error.message);
      return held.value;
    };
    expect(await stores.isArchiveHeld()).toBe(false);
    const [long, short] = [await hold('long', 60_000), await hold('short', 30)];
    expect([await stores.isArchiveHeld(), await others.isArchiveHeld()]).toEqual([true, false]);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await short.release()).toEqual({ ok: true, value: 'over' });
    expect(await stores.isArchiveHeld()).toBe(true);
    expect(await long.release()).toEqual({ ok: true, value: 'held' });
    expect(await stores.isArchiveHeld()).toBe(false);
    const cutOff = await hold('cut off', 50);
    await vi.waitUntil(async () => !(await stores.isArchiveHeld()));
    expect(await redis.call('EXISTS', 'blue:{cluster}:backups')).toBe(0);
    expect(await cutOff.release()).toEqual({ ok: true, value: 'over' });
    // What is put back was copied in the midst of it.
    await hold('in the copy', 60_000);
    expect((await markCopied(redis.url, 'blue:')).ok).toBe(true);
    expect(await stores.isArchiveHeld()).toBe(false);
    stores.close();
    expect(await stores.isArchiveHeld()).toBe(true);
  });

  it('is marked so that every partition begins a generation, whatever the level, behind all that were there', async () => {
    const [settled, never] = [partitionId(3), partitionId(4)];
    const clean = { epoch: 4, token: '4:abc', no: 9, id: 'x', gen: 2, run: 'a/b', level: 'disk', clean: 7 };
    await redis.call(
      'HSET',
      'blue:{p3}:owner',
      ...Object.entries(clean).flatMap(([name, value]) => [name, String(value)]),
    );
    // Claimed, and never settled.
    await redis.call('HSET', 'blue:{p4}:owner', 'epoch', '1', 'token', '1:abc');
    await redis.call('HSET', 'blue:{p5}:u:a}:owner', 'h', '1-1');
    await redis.call('HSET', 'green:{p3}:owner', 'gen', '5');
    expect(await markCopied(redis.url, 'blue:')).toEqual({ ok: true, value: 1 });
    expect(await redis.call('HGET', 'green:{p3}:owner', 'gen')).toBe('5');
    const stores = await openRedisStores(redis.url, { keyPrefix: 'blue:' });
    onTestFinished(() => {
      stores.close();
    });
    const decided = async (partition: typeof settled) => {
      const claimed = await stores.partitions.claim(partition, me, 0);
      if (!claimed.ok) throw new Error(claimed.error.message);
      // By the view that names the owner that had stopped cleanly.
      return { epoch: claimed.value.token.epoch, ...decideClaim(claimed.value, null, generation(0), 7) };
    };
    expect(await decided(settled)).toMatchObject({ epoch: 6, kind: 'new-generation', gen: 1_003 });
    expect(await decided(never)).toMatchObject({ kind: 'reload', gen: 1 });
  });
});

it('of nothing is not made, and says why', async () => {
  expect(await snapshotRedis('redis://127.0.0.1:1', systemTimers)).toMatchObject({
    ok: false,
    error: { code: 'unavailable' },
  });
});
