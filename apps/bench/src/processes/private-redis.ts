import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@millrace/kernel';
import {
  callRedis,
  describeLocalRedisError,
  freePort,
  startRedis,
  startRedisCluster,
  type LocalRedis,
} from '@millrace/local-redis';
import type { AckLevel } from '../options.ts';

const FOLLOWING_MS_MAX = 30_000;
const POLL_MS = 25;

/** A Redis of the bench's own, as an ack level wants it, or a Cluster of them. */
export interface PrivateRedis {
  /** Where ioredis finds it: a unix socket; of a Cluster, one of its ports. */
  readonly url: string;
  /** Empty for a Cluster. */
  readonly socket: string;
  /** It, and its replica if it has one; all of a Cluster. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

async function started(options: Parameters<typeof startRedis>[0]): Promise<LocalRedis> {
  const redis = await startRedis(options);
  if (!redis.ok) throw new Error(describeLocalRedisError(redis.error));
  return redis.value;
}

/** Makes it a replica, and waits until it has all that there is. */
async function follow(replica: LocalRedis, masterPort: number): Promise<void> {
  const asked = await callRedis(replica.endpoint, ['REPLICAOF', '127.0.0.1', masterPort]);
  if (!asked.ok) throw new Error(`the replica does not follow: ${asked.error.message}`);
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const told = await callRedis(replica.endpoint, ['INFO', 'replication']);
    if (told.ok && /^master_link_status:up\r?$/m.test(String(told.value))) return;
    if (systemClock.monotonicMs() - startedMs > FOLLOWING_MS_MAX)
      throw new Error('the replica does not follow in time');
    await sleep(POLL_MS);
  }
}

/** `disk`: every write is synced before its answer. `replicated`: there is one replica, which follows by a port on loopback. */
export async function startPrivateRedis(dir: string, ackLevel: AckLevel): Promise<PrivateRedis> {
  const running: LocalRedis[] = [];
  const stop = async (): Promise<void> => {
    // The replica first: a master that goes down waits for those that follow.
    for (const redis of running.reverse().splice(0)) await redis.stop();
  };
  try {
    const isReplicated = ackLevel === 'replicated';
    const port = isReplicated ? await freePort() : 0;
    const master = await started({
      dir,
      unixSocket: true,
      appendfsync: ackLevel === 'disk' ? 'always' : 'everysec',
      // What follows is given its copy at once.
      ...(isReplicated ? { config: { port, 'repl-diskless-sync-delay': 0 } } : {}),
    });
    running.push(master);
    if (isReplicated) {
      const replica = await started({ dir: join(dir, 'replica') });
      running.push(replica);
      await follow(replica, port);
    }
    const socket = 'unixSocket' in master.endpoint ? master.endpoint.unixSocket : '';
    return { url: master.url, socket, pids: running.map(({ pid }) => pid), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As many masters, each as the ack level wants it, with their slots shared out. */
export async function startPrivateCluster(dir: string, ackLevel: AckLevel, masters: number): Promise<PrivateRedis> {
  const replicas = ackLevel === 'replicated' ? 1 : 0;
  const appendfsync = ackLevel === 'disk' ? 'always' : 'everysec';
  const cluster = await startRedisCluster({ dir, masters, replicas, appendfsync });
  if (!cluster.ok) throw new Error(describeLocalRedisError(cluster.error));
  const { url, nodes } = cluster.value;
  const stop = async (): Promise<void> => {
    await cluster.value.stop();
  };
  return { url, socket: '', pids: nodes.map(({ pid }) => pid), stop };
}
