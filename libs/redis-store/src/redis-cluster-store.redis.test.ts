import type { NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Member } from '@millrace/partition';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores } from './testing/open-stores.ts';

const redis = testRedis();
const LEASE_MS = 60_000;
const nothing = { version: 0, digest: '-', settled: 0 };
let stores: RedisStores;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
});
afterEach(async () => {
  stores.close();
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
});

const memberOf = (name: string, run: string): Member => ({
  name,
  node: run as NodeId,
  roles: ['actors'],
  isDraining: false,
  url: '',
  socketUrl: '',
});

describe('the cluster in Redis', () => {
  it('goes on over maxmemory: members register and leave, a leader leads and places', async () => {
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    const { cluster } = stores;
    expect(await cluster.register(memberOf('a', 'a1'), LEASE_MS, nothing)).toMatchObject({ code: 'held' });
    expect(await cluster.register(memberOf('b', 'b1'), LEASE_MS, nothing)).toMatchObject({ code: 'held' });
    await cluster.leave('b', 'b1' as NodeId);
    const led = await cluster.lead('a', 'a1' as NodeId, LEASE_MS);
    expect(led).toMatchObject({ code: 'leading', term: 1, living: [{ member: { name: 'a' } }] });
    const view = { version: 1, members: [], owners: ['a'], since: [1], before: [0] };
    expect(await cluster.putView(1, 'a1' as NodeId, view)).toEqual({ code: 'put' });
  });

  it('remembers a thousand replaced runs and a thousand members that left, and forgets the oldest (I9)', async () => {
    const { cluster } = stores;
    for (let run = 0; run <= 1_002; run += 1) {
      await cluster.register(memberOf('a', `a${String(run)}`), LEASE_MS, nothing);
      await cluster.register(memberOf(`b${String(run)}`, 'b'), LEASE_MS, nothing);
      await cluster.leave(`b${String(run)}`, 'b' as NodeId);
    }
    expect(await redis.call('HLEN', '{cluster}:replaced')).toBe(1_000);
    expect(await redis.call('HLEN', '{cluster}:left')).toBe(1_000);
    expect(await redis.call('HLEN', '{cluster}:members')).toBe(1);
    expect(await cluster.register(memberOf('a', 'a1000'), LEASE_MS, nothing)).toMatchObject({ code: 'replaced' });
  });

  it('is unavailable to a program that cannot read what a later one wrote', async () => {
    const { cluster } = stores;
    await redis.call('HSET', '{cluster}:view', 'version', '5', 'view', '{"format":2}');
    const registered = await cluster.register(memberOf('a', 'a1'), LEASE_MS, nothing);
    expect(registered).toMatchObject({ code: 'unavailable' });
    if (registered.code === 'unavailable') expect(registered.message).toContain('this version of the server');
    expect(await cluster.lead('a', 'a1' as NodeId, LEASE_MS)).toMatchObject({ code: 'unavailable' });
  });

  it('is unavailable when Redis does not answer', async () => {
    stores.close();
    const { cluster } = stores;
    expect(await cluster.register(memberOf('a', 'a1'), LEASE_MS, nothing)).toMatchObject({ code: 'unavailable' });
    expect(await cluster.lead('a', 'a1' as NodeId, LEASE_MS)).toMatchObject({ code: 'unavailable' });
    const view = { version: 1, members: [], owners: [], since: [], before: [] };
    expect(await cluster.putView(1, 'a1' as NodeId, view)).toMatchObject({ code: 'unavailable' });
    await cluster.leave('a', 'a1' as NodeId);
  });
});
