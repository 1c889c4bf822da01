import type { TestRedis } from '@millrace/local-redis/testing';

/** How many entries each conversation has in Redis. */
export async function hotLengths(redis: TestRedis): Promise<readonly number[]> {
  const keys = (await redis.call('KEYS', '*:t:c:*')) as readonly string[];
  return Promise.all(keys.map(async (key) => Number(await redis.call('XLEN', key))));
}
