import { testRedis } from '@millrace/local-redis/testing';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openRedisStores } from './testing/open-stores.ts';

const redis = testRedis();
beforeEach(() => redis.flush());

describe('the conversations that have something hot', () => {
  it('are found among all keys, whatever their names, and nothing else is; and so are all that are stored', async () => {
    const stores = await openRedisStores(redis.url, { keyPrefix: 'blue:' });
    onTestFinished(() => {
      stores.close();
    });
    const names = ['room', 'a!b', '~lobby', 'with:}:t:c:in'];
    for (const [index, name] of names.entries()) {
      await redis.call('XADD', `blue:{p${String(index)}}:t:c:${name}`, '1-1', 'e', 'x');
    }
    for (let count = 0; count < 1_200; count += 1) {
      await redis.call('XADD', `blue:{p1}:t:c:more-${String(count)}`, '1-1', 'e', 'x');
    }
    await redis.call('XADD', 'blue:{p1}:t:u:room', '1-1', 'e', 'x');
    await redis.call('HSET', 'blue:{p1}:c:room', 'h', '1-1');
    await redis.call('HSET', 'blue:{p1}:c:a}:t:c:b', 'h', '1-1');
    await redis.call('XADD', 'green:{p1}:t:c:other', '1-1', 'e', 'x');
    await redis.call('XADD', '{p1}:t:c:other', '1-1', 'e', 'x');
    const found = new Set<string>();
    let pages = 0;
    for await (const page of stores.hotTimelines.conversations()) {
      pages += 1;
      for (const actor of page) found.add(actor);
    }
    expect([...found].filter((actor) => !actor.startsWith('c:more-')).sort()).toEqual(
      names.map((name) => `c:${name}`).sort(),
    );
    expect(found.size).toBe(1_204);
    const stored: string[] = [];
    for await (const page of stores.storedConversations.conversations()) stored.push(...page);
    expect(stored.sort()).toEqual(['c:a}:t:c:b', 'c:room']);
    expect(pages).toBeGreaterThan(1);
  });
});
