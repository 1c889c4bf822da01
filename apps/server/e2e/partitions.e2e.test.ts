import { testRedis } from '@millrace/local-redis/testing';
import { describe, expect, it } from 'vitest';
import { startMillrace } from './support/millrace-process.ts';

describe('the number of partitions', () => {
  const redis = testRedis();

  it('is fixed when the store is born: a server with another one does not start, and says what to do', async () => {
    const born = await startMillrace(redis.url, { MILLRACE_PARTITIONS: '16' });
    expect(await born.stop()).toBe(0);
    await expect(startMillrace(redis.url, { MILLRACE_PARTITIONS: '32' })).rejects.toThrow(
      /MILLRACE_PARTITIONS does not fit: this store was born with 16 partitions/,
    );
    const again = await startMillrace(redis.url, { MILLRACE_PARTITIONS: '16' });
    expect(await again.stop()).toBe(0);
  });

  it('is fixed with where conversations of two are', async () => {
    const small = { MILLRACE_PARTITIONS: '16' };
    await expect(startMillrace(redis.url, { ...small, MILLRACE_PAIRS_AT_HOME: 'false' })).rejects.toThrow(
      /MILLRACE_PAIRS_AT_HOME does not fit: this store was born with conversations of two at the home of one of them/,
    );
    await expect(startMillrace(redis.url, { ...small, MILLRACE_PAIRS_AT_HOME: 'perhaps' })).rejects.toThrow(
      /MILLRACE_PAIRS_AT_HOME/,
    );
  });
});
