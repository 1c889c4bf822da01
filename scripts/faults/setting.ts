import { join } from 'node:path';
import {
  callRedis,
  describeLocalRedisError,
  startRedis,
  startRedisCluster,
  type LocalRedis,
  type RedisReply,
} from '@millrace/local-redis';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

/**
 * What the nodes run over:
 *
 * - `cluster`: a Redis Cluster of three masters with a replica each, at ack level `replicated`.
 * - `lone`: one Redis, at ack level `memory`; each node reaches it through a proxy of its own.
 * - `disk`: one Redis with `appendfsync always`, at ack level `disk`.
 * - `pair`: a master and a replica behind one address, at ack level `memory`, as a failover that loses writes needs it.
 */
export const settings = ['cluster', 'lone', 'disk', 'pair'] as const;
export type Setting = (typeof settings)[number];

export const NODE_TIMEOUT_MS = 2_000;
const REPLICA_MS_MAX = 20_000;

/** The Redis below the nodes, with what can be done to it. */
export interface Below {
  readonly ack: 'memory' | 'disk' | 'replicated';
  readonly redis: readonly LocalRedis[];
  /** How many of them serve at a time. */
  readonly masters: number;
  /** The address that one node is given. */
  urlFor(node: string): Promise<string>;
  /** Between a node and its Redis, in the setting `lone`. */
  proxyOf(node: string): TcpProxy | undefined;
  /** From the replica to its master, and from the nodes to the one that serves, in the setting `pair`. */
  readonly replicaLink?: TcpProxy;
  readonly service?: TcpProxy;
  close(): Promise<void>;
}

export async function ask(redis: LocalRedis, ...args: readonly (string | number)[]): Promise<RedisReply> {
  const reply = await callRedis(redis.endpoint, args);
  if (!reply.ok) throw new Error(`${args.join(' ')}: ${reply.error.message}`);
  return reply.value;
}

/** `master` or `slave`; null when it does not answer. */
export async function roleOf(redis: LocalRedis): Promise<string | null> {
  const reply = await callRedis(redis.endpoint, ['ROLE']);
  return reply.ok && Array.isArray(reply.value) ? String(reply.value[0]) : null;
}

async function one(dir: string, appendfsync: 'everysec' | 'always'): Promise<LocalRedis> {
  const started = await startRedis({ dir, appendfsync, processGroup: 'shared' });
  if (!started.ok) throw new Error(describeLocalRedisError(started.error));
  return started.value;
}

const killAll = async (all: readonly LocalRedis[]): Promise<void> => {
  await Promise.all(all.map((redis) => redis.kill('SIGKILL')));
};

async function startCluster(dir: string): Promise<Below> {
  const started = await startRedisCluster({ dir, nodeTimeoutMs: NODE_TIMEOUT_MS, processGroup: 'shared' });
  if (!started.ok) throw new Error(describeLocalRedisError(started.error));
  const { nodes, url } = started.value;
  return {
    ack: 'replicated',
    redis: nodes,
    masters: 3,
    urlFor: () => Promise.resolve(url),
    proxyOf: () => undefined,
    close: () => killAll(nodes),
  };
}

async function startLone(dir: string): Promise<Below> {
  const redis = await one(join(dir, 'redis'), 'everysec');
  const proxies = new Map<string, TcpProxy>();
  return {
    ack: 'memory',
    redis: [redis],
    masters: 1,
    async urlFor(node) {
      const proxy = await TcpProxy.start(redis.port ?? 0);
      proxies.set(node, proxy);
      return `redis://127.0.0.1:${String(proxy.port)}`;
    },
    proxyOf: (node) => proxies.get(node),
    async close() {
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
      await killAll([redis]);
    },
  };
}

async function startDisk(dir: string): Promise<Below> {
  const redis = await one(join(dir, 'redis'), 'always');
  return {
    ack: 'disk',
    redis: [redis],
    masters: 1,
    urlFor: () => Promise.resolve(redis.url),
    proxyOf: () => undefined,
    close: () => killAll([redis]),
  };
}

async function startPair(dir: string): Promise<Below> {
  const redis = [await one(join(dir, 'master'), 'everysec'), await one(join(dir, 'replica'), 'everysec')];
  const [master, replica] = redis;
  if (master === undefined || replica === undefined) throw new Error('there are two');
  const replicaLink = await TcpProxy.start(master.port ?? 0);
  const service = await TcpProxy.start(master.port ?? 0);
  // As in the Redis Cluster: a copy begins at once.
  await ask(master, 'CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
  await ask(replica, 'REPLICAOF', '127.0.0.1', replicaLink.port);
  await until('the replica follows', () => isFollowing(replica), REPLICA_MS_MAX);
  return {
    ack: 'memory',
    redis,
    masters: 1,
    urlFor: () => Promise.resolve(`redis://127.0.0.1:${String(service.port)}`),
    proxyOf: () => undefined,
    replicaLink,
    service,
    async close() {
      await Promise.all([replicaLink.close(), service.close()]);
      await killAll(redis);
    },
  };
}

export const isFollowing = async (replica: LocalRedis): Promise<boolean> => {
  const reply = await callRedis(replica.endpoint, ['INFO', 'replication']);
  return reply.ok && String(reply.value).includes('master_link_status:up');
};

const starters: Readonly<Record<Setting, (dir: string) => Promise<Below>>> = {
  cluster: startCluster,
  lone: startLone,
  disk: startDisk,
  pair: startPair,
};

export const startBelow = (setting: Setting, dir: string): Promise<Below> => starters[setting](dir);
