import { testRedis } from '@millrace/local-redis/testing';
import { partitionStoreConformance } from '@millrace/partition/conformance';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
let opened = 0;

partitionStoreConformance('Redis', async () => {
  opened += 1;
  return underTest(await openRedisStores(redis.url, { keyPrefix: `test${String(opened)}:` }), redis);
});
