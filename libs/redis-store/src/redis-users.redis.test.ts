import { testRedis } from '@millrace/local-redis/testing';
import { expect, it, onTestFinished } from 'vitest';
import { openRedisStores } from './testing/open-stores.ts';

const redis = testRedis();

it('the users of whom something is stored are found among all keys, and nothing else is', async () => {
  const stores = await openRedisStores(redis.url, { keyPrefix: 'blue:' });
  onTestFinished(() => {
    stores.close();
  });
  for (const key of ['blue:{p1}:u:ann', 'blue:{p17}:u:with:}:u:in', 'blue:{p1}:c:u:tea', 'green:{p1}:u:other'])
    await redis.call('HSET', key, 's', '1');
  await redis.call('XADD', 'blue:{p1}:t:u:ann', '1-1', 'e', 'x');
  const found: string[] = [];
  for await (const page of stores.storedUsers.users()) found.push(...page);
  expect(found.sort()).toEqual(['u:ann', 'u:with:}:u:in']);
});
