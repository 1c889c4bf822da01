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

  it('is fixed with the format of the store', async () => {
    const small = { MILLRACE_PARTITIONS: '16' };
    const before = await redis.call('HGETALL', '{cluster}:left');
    await expect(startMillrace(redis.url, { ...small, MILLRACE_STORE_FORMAT: '2' })).rejects.toThrow(
      /MILLRACE_STORE_FORMAT does not fit: this store was born in format 3, and 2 is configured/,
    );
    // It has not even been in the cluster.
    expect(await redis.call('HGETALL', '{cluster}:left')).toEqual(before);
    await expect(startMillrace(redis.url, { ...small, MILLRACE_STORE_FORMAT: '4' })).rejects.toThrow(
      /MILLRACE_STORE_FORMAT/,
    );
  });
});
