import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, systemClock, type Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { freePort } from './free-port.ts';
import { startRedis, type LocalRedis, type StartRedisOptions } from './local-redis.ts';
import { callRedis, infoField, type RedisReply } from './resp.ts';

export interface StartRedisClusterOptions extends Omit<StartRedisOptions, 'port' | 'unixSocket'> {
  /** Default 3. */
  readonly masters?: number;
  /** Of each master. Default 1. */
  readonly replicas?: number;
  /**
   * The first of as many client ports as there are nodes; their bus ports are 100 above. The same for every start on
   * one directory. By default free ones are taken, for a cluster that is not started again.
   */
  readonly firstPort?: number;
  /** After so long without a word a node counts as failed, milliseconds. Default 2,000. */
  readonly nodeTimeoutMs?: number;
}

export interface LocalRedisCluster {
  /** Of the first node; clients find the others by it. */
  readonly url: string;
  /** Masters first, as the cluster was formed; failovers change who is one. */
  readonly nodes: readonly LocalRedis[];
  /** Ends all of them cleanly. */
  stop(): Promise<Result<void, LocalRedisError>>;
}

const SLOTS = 16_384;
const FORMING_MS_MAX = 60_000;
const POLL_MS = 50;
const BUS_PORT_OFFSET = 100;

const didNotForm = (why: string): LocalRedisError => ({
  code: 'redis_did_not_start',
  message: `the Redis Cluster did not form: ${why}`,
  whatToDo: 'Read the logs of its nodes; end what is left of an earlier one, or use another directory.',
});

/** Thrown inside of this file only: one node refused or did not answer. */
class NodeFault extends Error {
  /** It reads what its master has sent, or its own log, and answers nothing else. */
  get isLoading(): boolean {
    return this.message.includes(': LOADING ');
  }
}

async function call({ endpoint }: LocalRedis, ...args: readonly (string | number)[]): Promise<RedisReply> {
  const reply = await callRedis(endpoint, args);
  if (!reply.ok) throw new NodeFault(`${String(args[0])} ${String(args[1])}: ${reply.error.message}`);
  return reply.value;
}

const clusterField = async (node: LocalRedis, name: string): Promise<string> =>
  infoField(await call(node, 'CLUSTER', 'INFO'), name) ?? '';

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + FORMING_MS_MAX;
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadlineMs) throw new NodeFault(`not in time: ${what}`);
    await sleep(POLL_MS);
  }
}

async function every(nodes: readonly LocalRedis[], is: (node: LocalRedis) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(nodes.map(is))).every(Boolean);
}

/** Spreads the slots over the first nodes, makes all of them known to each other, and the others replicas. */
async function form(nodes: readonly LocalRedis[], masters: number, busPorts: readonly number[]): Promise<void> {
  const [first] = nodes;
  if (first === undefined) return;
  for (const [index, node] of nodes.entries()) {
    await call(node, 'CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    if (index >= masters) continue;
    const from = Math.floor((index * SLOTS) / masters);
    await call(node, 'CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((index + 1) * SLOTS) / masters) - 1);
  }
  for (const [index, node] of nodes.entries()) {
    if (index > 0) await call(first, 'CLUSTER', 'MEET', '127.0.0.1', node.port ?? 0, busPorts[index] ?? 0);
  }
  await until('all nodes know each other', () =>
    every(nodes, async (node) => (await clusterField(node, 'cluster_known_nodes')) === String(nodes.length)),
  );
  for (const [index, node] of nodes.entries()) {
    const master = nodes[index % masters];
    if (index >= masters && master !== undefined)
      await call(node, 'CLUSTER', 'REPLICATE', String(await call(master, 'CLUSTER', 'MYID')));
  }
}

/** Every slot is served, and every replica has what its master has. */
async function whole(nodes: readonly LocalRedis[]): Promise<boolean> {
  return every(nodes, async (node) => {
    try {
      if ((await clusterField(node, 'cluster_state')) !== 'ok') return false;
      const replication = await call(node, 'INFO', 'replication');
      return infoField(replication, 'role') === 'master' || infoField(replication, 'master_link_status') === 'up';
    } catch (error) {
      if (error instanceof NodeFault && error.isLoading) return false;
      throw error;
    }
  });
}

/**
 * Starts a private Redis Cluster on loopback, and forms it where it was not formed before: by default three masters with
 * a replica each. Resolves when all slots are served and the replicas follow.
 */
export async function startRedisCluster(
  options: StartRedisClusterOptions,
): Promise<Result<LocalRedisCluster, LocalRedisError>> {
  const { dir, masters = 3, replicas = 1, firstPort, nodeTimeoutMs = 2_000, config = {}, ...more } = options;
  const nodes: LocalRedis[] = [];
  const busPorts: number[] = [];
  const stop = async (): Promise<Result<void, LocalRedisError>> => {
    // All at once: one after the other would fail over to each other.
    const outcomes = await Promise.all(nodes.map((node) => node.stop()));
    return outcomes.find((outcome) => !outcome.ok) ?? ok(undefined);
  };
  for (let index = 0; index < masters * (1 + replicas); index += 1) {
    const port = firstPort === undefined ? await freePort() : firstPort + index;
    const busPort = firstPort === undefined ? await freePort() : firstPort + index + BUS_PORT_OFFSET;
    const started = await startRedis({
      ...more,
      dir: join(dir, `redis-${String(index + 1)}`),
      port,
      config: {
        'cluster-enabled': 'yes',
        'cluster-announce-ip': '127.0.0.1',
        'cluster-port': busPort,
        'cluster-node-timeout': nodeTimeoutMs,
        // A master that lost its replicas, or the others, must not go on alone with what nobody else has.
        'cluster-require-full-coverage': 'no',
        // A replica that comes back gets its copy at once, and with it the writes that wait for it go on.
        'repl-diskless-sync-delay': 0,
        // When all end at once, nobody is left to catch up.
        'shutdown-timeout': 0,
        ...config,
      },
    });
    if (!started.ok) {
      await stop();
      return started;
    }
    nodes.push(started.value);
    busPorts.push(busPort);
  }
  try {
    const [first] = nodes;
    if (first !== undefined && (await clusterField(first, 'cluster_known_nodes')) === '1')
      await form(nodes, masters, busPorts);
    await until('every slot is served and every replica follows', () => whole(nodes));
  } catch (error) {
    if (!(error instanceof NodeFault)) throw error;
    await stop();
    return err(didNotForm(error.message));
  }
  return ok({ url: nodes[0]?.url ?? '', nodes, stop });
}
