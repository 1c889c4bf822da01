import { testRedis } from '@millrace/local-redis/testing';
import { STORE_FORMAT, type StoreFormat } from '@millrace/partition';
import { partitionStoreConformance, type StoresUnderTest } from '@millrace/partition/conformance';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
let opened = 0;

const openAs = async (storeFormat: StoreFormat): Promise<StoresUnderTest> => {
  opened += 1;
  return underTest(await openRedisStores(redis.url, { storeFormat, keyPrefix: `test${String(opened)}:` }), redis);
};

partitionStoreConformance('Redis', () => openAs(STORE_FORMAT));
partitionStoreConformance('Redis, of a store of the first format', () => openAs(1));
