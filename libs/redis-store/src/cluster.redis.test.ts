import { testRedis } from '@millrace/local-redis/testing';
import { partitionStoreConformance } from '@millrace/partition/conformance';
import { beforeAll, expect, vi } from 'vitest';
import { openRedisStores, underTest } from './testing/open-stores.ts';

/** A Cluster of one node: every key must carry its hash tag, and no call but a commit may reach two of them. */
const redis = testRedis({ config: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' } });
let opened = 0;

beforeAll(async () => {
  await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
  await vi.waitUntil(async () => String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 20_000);
});

partitionStoreConformance('Redis Cluster', async () => {
  opened += 1;
  const stores = await openRedisStores(redis.url, { keyPrefix: `test${String(opened)}:` });
  expect(stores.inspection.facts.cluster).toBe(true);
  return underTest(stores, redis);
});
