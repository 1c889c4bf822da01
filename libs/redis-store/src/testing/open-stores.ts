import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import type { TestRedis } from '@millrace/local-redis/testing';
import { STORE_FORMAT } from '@millrace/partition';
import type { StoresUnderTest } from '@millrace/partition/conformance';
import { vi } from 'vitest';
import { RedisStores, type RedisStoresOptions } from '../redis-stores.ts';

/** Connects with the platform's clock, chance and timers. @throws when it cannot. */
export async function openRedisStores(url: string, more: Partial<RedisStoresOptions> = {}): Promise<RedisStores> {
  const connected = await RedisStores.connect({
    url,
    ackLevel: 'memory',
    storeFormat: STORE_FORMAT,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    ...more,
  });
  if (connected.ok) return connected.value;
  throw new Error(connected.error.message);
}

async function redisNowMs(redis: TestRedis): Promise<number> {
  const [seconds, micros] = (await redis.call('TIME')) as readonly string[];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** The ports as the conformance suite's helpers want them. */
export const underTest = (stores: RedisStores, redis: TestRedis): StoresUnderTest => ({
  partitions: stores.partitions,
  cluster: stores.cluster,
  timelines: stores.timelines,
  records: stores.records,
  async passTime(ms) {
    const until = (await redisNowMs(redis)) + ms;
    await vi.waitUntil(async () => (await redisNowMs(redis)) > until, { interval: 5, timeout: ms + 10_000 });
  },
  close: () => {
    stores.close();
    return Promise.resolve();
  },
});
