import { systemClock, systemRandom, systemTimers } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { partitionStoreConformance } from '@millrace/partition/conformance';
import { expect } from 'vitest';
import { RedisStores } from './redis-stores.ts';

const redis = testRedis();
let opened = 0;

async function redisNowMs(): Promise<number> {
  const [seconds, micros] = (await redis.call('TIME')) as readonly string[];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

partitionStoreConformance('Redis', async () => {
  opened += 1;
  const connected = await RedisStores.connect({
    url: redis.url,
    ackLevel: 'memory',
    keyPrefix: `test${String(opened)}:`,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
  });
  if (!connected.ok) throw new Error(connected.error.message);
  const stores = connected.value;
  return {
    partitions: stores.partitions,
    leases: stores.leases,
    timelines: stores.timelines,
    async passTime(ms) {
      const until = (await redisNowMs()) + ms;
      await expect.poll(redisNowMs, { interval: 5 }).toBeGreaterThan(until);
    },
    close: () => {
      stores.close();
      return Promise.resolve();
    },
  };
});
