import { testRedis } from '@millrace/local-redis/testing';
import { nodeStreamsConformance } from '@millrace/node-link/conformance';
import { beforeAll, expect, vi } from 'vitest';
import { streamsUnderTest } from './testing/streams-under-test.ts';

/** A Cluster of one node: both keys of a stream must carry its hash tag, and a read that waits must hold up nothing. */
const redis = testRedis({ config: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' } });
let opened = 0;

beforeAll(async () => {
  await redis.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
  await vi.waitUntil(async () => String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 20_000);
});

nodeStreamsConformance('Redis Cluster', async () => {
  opened += 1;
  expect(String(await redis.call('INFO', 'cluster'))).toContain('cluster_enabled:1');
  return streamsUnderTest(redis, `streams${String(opened)}:`);
});
