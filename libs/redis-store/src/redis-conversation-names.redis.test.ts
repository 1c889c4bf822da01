import { testRedis } from '@millrace/local-redis/testing';
import type { ConversationNames } from '@millrace/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores } from './testing/open-stores.ts';

const redis = testRedis();
let stores: RedisStores;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
});
afterEach(() => {
  stores.close();
});

async function all(names: ConversationNames): Promise<{ readonly steps: number; readonly found: readonly string[] }> {
  const found = new Set<string>();
  let steps = 0;
  for (let cursor: string | null = null; steps === 0 || cursor !== null; steps += 1) {
    const page = await names.page(cursor);
    if (page === null) throw new Error('the cursor is over');
    for (const conversation of page.conversations) found.add(conversation);
    cursor = page.next;
  }
  return { steps, found: [...found].sort() };
}

describe('the conversations in Redis', () => {
  it('are all told, step by step, and nothing else is that looks like one', async () => {
    const ids = Array.from({ length: 2_500 }, (_, index) => `g:${String(index)}`);
    for (const [index, id] of ids.entries()) await redis.call('HSET', `{p${String(index % 16)}}:c:${id}`, 'h', '1-1');
    await redis.call('HSET', '{p3}:c:alice!bob', 'h', '1-1');
    await redis.call('XADD', '{p1}:t:c:g:1', '1-1', 'e', 'x');
    await redis.call('HSET', '{p1}:r:g:1', 'x', '[1,1]');
    await redis.call('HSET', '{p1}:u:c:user', 'h', '1-1');
    await redis.call('HSET', '{p1}:u:a}:c:user', 'h', '1-1');
    await redis.call('HSET', 'other:{p1}:c:theirs', 'h', '1-1');
    const { steps, found } = await all(stores.names);
    expect(found).toEqual([...ids, 'alice!bob'].sort());
    expect(steps).toBeGreaterThan(2);
    const theirs = await openRedisStores(redis.url, { keyPrefix: 'other:' });
    expect((await all(theirs.names)).found).toEqual(['theirs']);
    theirs.close();
  });

  it('are told from the beginning when the store is not the one that gave the cursor', async () => {
    for (let index = 0; index < 1_500; index += 1) await redis.call('HSET', `{p1}:c:g${String(index)}`, 'h', '1-1');
    const page = await stores.names.page(null);
    const [index, cursor] = page?.next?.split(' ') ?? [];
    expect(await stores.names.page(`${String(index)} ${String(cursor)} deadbeef`)).toBeNull();
    expect(await stores.names.page('garbage')).toBeNull();
    expect(await stores.names.page(page?.next ?? null)).not.toBeNull();
  });
});
