import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalRedis } from '@millrace/local-redis';
import { ask, NODE_TIMEOUT_MS, roleOf, type Setting } from './setting.ts';
import type { Stage } from './stage.ts';
import { until } from './until.ts';

/** What is said while a fault runs, for its log. */
export type Say = (text: string) => void;

export interface Fault {
  readonly name: string;
  readonly about: string;
  readonly setting: Setting;
  /** Whether acknowledged messages may be lost: only such that a higher generation tells of. */
  readonly mayLose?: boolean;
  /** The longest pause of a client that is wanted, milliseconds. */
  targetMs(leaseMs: number): number | null;
  /** Does it, and resolves when the cluster is whole again. @param run - how many runs there were before. */
  inject(stage: Stage, run: number, say: Say): Promise<void>;
}

const CUT_MS = 30_000;
const LEASES_PAUSED = 3;
const PLANNED_MS_MAX = 250;
const FAILOVER_MS_MAX = 60_000;
/** What is committed while the replica is cut off. */
const UNREPLICATED_MS = 1_500;
/** Between a fault and its end, so that both are seen under load. */
const BETWEEN_MS = 2_000;

const START_MS_MAX = 60_000;
const START_AGAIN_MS = 1_000;

const none = (): null => null;
const whenOneDies = (leaseMs: number): number => leaseMs + 2_000;

/** Whoever looks after a Redis starts it again, and again: its port may have been taken while it was away. */
async function startAgain(redis: LocalRedis): Promise<void> {
  const untilMs = performance.now() + START_MS_MAX;
  for (;;) {
    const started = await redis.restart();
    if (started.ok) return;
    if (performance.now() >= untilMs) throw new Error(started.error.message);
    await sleep(START_AGAIN_MS);
  }
}

/** A master that holds a conversation, with its replica: nobody would wait for another one. */
async function masterInUse({ below: { redis } }: Stage, run: number): Promise<readonly [LocalRedis, LocalRedis]> {
  for (let turn = run; turn < run + 3; turn += 1) {
    const [master, heir] = [redis[turn % 3], redis[(turn % 3) + 3]];
    if (master === undefined || heir === undefined) throw new Error('there are three masters and their replicas');
    const timelines = (await ask(master, 'KEYS', '*:t:c:*')) as readonly string[];
    if (timelines.length > 0) return [master, heir];
  }
  throw new Error('no master holds a conversation');
}

async function loseTail(stage: Stage, say: Say, alsoKill: string | null): Promise<void> {
  const { redis, replicaLink, service } = stage.below;
  const [master, replica] = redis;
  if (master === undefined || replica === undefined || replicaLink === undefined || service === undefined)
    throw new Error('this fault needs a pair');
  replicaLink.hold();
  say('the replica is cut off');
  await sleep(UNREPLICATED_MS);
  const node = stage.nodes.find(({ name }) => name === alsoKill);
  await Promise.all([master.kill('SIGKILL'), node?.signal('SIGKILL')]);
  say(`the master is killed${node === undefined ? '' : `, and ${node.name} with it`}`);
  await ask(replica, 'REPLICAOF', 'NO', 'ONE');
  service.pointTo(replica.port ?? 0);
  say('the replica serves in its place');
  if (node !== undefined) {
    await stage.untilWhole(stage.nodes.length - 1);
    await node.start();
  }
  await stage.untilWhole(stage.nodes.length);
}

export const faults: readonly Fault[] = [
  {
    name: 'kill-node',
    about: 'a node is killed (SIGKILL), and started again after the others have taken over',
    setting: 'cluster',
    targetMs: whenOneDies,
    async inject(stage, run, say) {
      const victim = stage.victim(run);
      await victim.signal('SIGKILL');
      say(`${victim.name} is killed`);
      await stage.untilWhole(stage.nodes.length - 1);
      say('the others serve everything');
      await sleep(BETWEEN_MS);
      await victim.start();
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'pause-node',
    about: 'a node stands still (SIGSTOP) for three lease times, and goes on',
    setting: 'cluster',
    targetMs: whenOneDies,
    async inject(stage, run, say) {
      const victim = stage.victim(run);
      await victim.signal('SIGSTOP');
      say(`${victim.name} stands still`);
      await sleep(LEASES_PAUSED * stage.leaseMs);
      await victim.signal('SIGCONT');
      say('it goes on');
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'cut-redis',
    about: 'nothing comes through between a node and Redis for 30 s, and nothing is closed',
    setting: 'lone',
    targetMs: none,
    async inject(stage, run, say) {
      const victim = stage.victim(run);
      const proxy = stage.below.proxyOf(victim.name);
      if (proxy === undefined) throw new Error('this fault needs a proxy before Redis');
      proxy.hold();
      say(`${victim.name} is cut off`);
      await sleep(CUT_MS);
      proxy.release();
      say('it is not any more');
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'add-node',
    about: 'a fourth node joins',
    setting: 'cluster',
    targetMs: () => PLANNED_MS_MAX,
    async inject(stage, _run, say) {
      const { name } = await stage.add();
      say(`${name} is there`);
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'drain-node',
    about: 'a node is told to end (SIGTERM)',
    setting: 'cluster',
    targetMs: () => PLANNED_MS_MAX,
    async inject(stage, run, say) {
      const victim = stage.victim(run);
      say(`${victim.name} is told to end`);
      await stage.drain(victim);
      say('it has ended');
      await stage.untilWhole(stage.nodes.length - 1);
    },
  },
  {
    name: 'kill-master',
    about: 'a master of the Redis Cluster is killed; it is started again once its replica has taken over',
    setting: 'cluster',
    targetMs: () => 2.5 * NODE_TIMEOUT_MS,
    async inject(stage, run, say) {
      const [master, heir] = await masterInUse(stage, run);
      await master.kill('SIGKILL');
      say(`the master at port ${String(master.port)} is killed`);
      await until('its replica takes over', async () => (await roleOf(heir)) === 'master', FAILOVER_MS_MAX);
      say('its replica has taken over');
      await startAgain(master);
      await until('it comes back as a replica', async () => (await roleOf(master)) === 'slave', FAILOVER_MS_MAX);
      say('it is a replica now');
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'restart-redis',
    about: 'a lone Redis at ack level disk is killed and started again on its data',
    setting: 'disk',
    targetMs: none,
    async inject(stage, _run, say) {
      const [redis] = stage.below.redis;
      if (redis === undefined) throw new Error('there is one');
      await redis.kill('SIGKILL');
      say('Redis is killed');
      await sleep(BETWEEN_MS);
      await startAgain(redis);
      say('it serves again');
      await stage.untilWhole(stage.nodes.length);
    },
  },
  {
    name: 'lossy-failover',
    about: 'at ack level memory a replica without the last 1.5 s takes the place of its master; the nodes live',
    setting: 'pair',
    mayLose: true,
    targetMs: none,
    async inject(stage, _run, say) {
      await loseTail(stage, say, null);
    },
  },
  {
    name: 'lossy-failover-and-node',
    about: 'the same, and a node is killed with the master: what only it knew is lost',
    setting: 'pair',
    mayLose: true,
    targetMs: none,
    async inject(stage, run, say) {
      await loseTail(stage, say, stage.victim(run).name);
    },
  },
];
