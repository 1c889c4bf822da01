import type { TestRedis } from '@millrace/local-redis/testing';
import type { StreamsUnderTest } from '@millrace/node-link/conformance';
import { vi } from 'vitest';
import type { RedisStores } from '../redis-stores.ts';
import { openRedisStores } from './open-stores.ts';

const BOUNDS = { entriesMax: 8, bytesMax: 1_000 };
/** Short, so that a read that waits for a stream that was deleted notices it soon. */
const BLOCK_MS = 100;

/** Node streams of a Redis for the conformance suite: each client with connections of its own. */
export function streamsUnderTest(redis: TestRedis, keyPrefix: string): StreamsUnderTest {
  const opened: RedisStores[] = [];
  return {
    bounds: BOUNDS,
    async connect() {
      const nodeStreamLimits = { bounds: BOUNDS, blockMs: BLOCK_MS };
      const stores = await openRedisStores(redis.url, { keyPrefix, nodeStreamLimits });
      opened.push(stores);
      return stores.nodeStreams;
    },
    settled: (promise) => promise,
    breathe: () => new Promise((resolve) => setTimeout(resolve, 5)),
    async until(condition) {
      await vi.waitUntil(condition, { interval: 2, timeout: 10_000 });
    },
    loseEverything: () => redis.flush(),
    async reconnect() {
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    close: () => {
      for (const stores of opened) stores.close();
      return Promise.resolve();
    },
  };
}
