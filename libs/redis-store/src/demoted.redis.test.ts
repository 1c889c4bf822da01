import { partitionId, type NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openRedisStores } from './testing/open-stores.ts';

describe('a server that becomes a replica', () => {
  const redis = testRedis();

  it('is left by who writes, some time and not in a crowd, and found again when it is a master (I5)', async () => {
    const stores = await openRedisStores(redis.url);
    onTestFinished(() => {
      stores.close();
    });
    let reconnects = 0;
    stores.onReconnect(() => {
      reconnects += 1;
    });
    const claim = async (): Promise<boolean> =>
      (await stores.partitions.claim(partitionId(1), 'node-1' as NodeId, 0)).ok;
    expect(await claim()).toBe(true);
    // Of a master that nobody is: it takes no writes, and closes no connection.
    await redis.call('REPLICAOF', '127.0.0.1', 1);
    const demotedMs = performance.now();
    await expect.poll(async () => (await claim()) || reconnects, { interval: 20, timeout: 10_000 }).toBeGreaterThan(1);
    expect(performance.now() - demotedMs).toBeGreaterThan(900);
    await redis.call('REPLICAOF', 'NO', 'ONE');
    await expect.poll(claim, { interval: 20, timeout: 10_000 }).toBe(true);
  });
});
