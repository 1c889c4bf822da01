import type { Random } from '@millrace/kernel';
import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import { clientUrl, openRedis } from './redis-address.ts';
import { isDemotion } from './store-errors.ts';

const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 2_000;
const CONNECT_MS_MAX = 5_000;

export interface JobConnectionOptions {
  readonly url: string;
  readonly cluster: boolean;
  /** Shown in CLIENT LIST. */
  readonly name: string;
  readonly random: Random;
}

/**
 * A connection as BullMQ wants it: what was not answered is sent again for ever (`maxRetriesPerRequest: null`), the opposite
 * of a `Connection` (I5). Its scripts may run twice. Whoever opens it closes it.
 */
export function openJobConnection({ url, cluster, name, random }: JobConnectionOptions): Redis | Cluster {
  const retry = (attempt: number): number =>
    Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(attempt, 16)) * (0.5 + random.fraction() / 2);
  const common = {
    connectionName: `millrace-${name}`,
    connectTimeout: CONNECT_MS_MAX,
    maxRetriesPerRequest: null,
    protocol: 2,
  } as const satisfies RedisOptions;
  const client = cluster
    ? new Cluster([clientUrl(url)], { redisOptions: common, clusterRetryStrategy: retry })
    : openRedis(url, {
        ...common,
        retryStrategy: retry,
        // And sends it again to the heir.
        reconnectOnError: ({ message }) => (isDemotion(message) ? 2 : false),
      });
  // Told by whoever uses it; without a listener it would end the process.
  client.on('error', () => undefined);
  return client;
}
