import type { TestRedis } from '@millrace/local-redis/testing';
import { timelineLengths } from '@millrace/redis-store/testing';

/** How many entries each conversation has in Redis. */
export async function hotLengths(redis: TestRedis): Promise<readonly number[]> {
  return [...(await timelineLengths(redis, '*:t:c:*')).values()];
}
