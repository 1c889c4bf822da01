import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, writeFileSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, systemClock, type Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { findRedisServer } from './find-redis-server.ts';
import { freePort } from './free-port.ts';
import { startRedis, type LocalRedis, type StartRedisOptions } from './local-redis.ts';
import { callRedis, infoField, type RedisReply } from './resp.ts';

export interface StartSentinelsOptions extends Omit<StartRedisOptions, 'port' | 'unixSocket'> {
  /** What the Sentinels call the master. Default `main`. */
  readonly name?: string;
  /** Default 3; more than half of them must agree. */
  readonly sentinels?: number;
  /** Default 1. */
  readonly replicas?: number;
  /** After so long without a word the master counts as down, milliseconds. Default 1,000. */
  readonly downAfterMs?: number;
}

export interface LocalSentinels {
  /** `redis+sentinel://…`, which names all of the Sentinels. */
  readonly url: string;
  /** The master first, as they were started; failovers change who is one. */
  readonly nodes: readonly LocalRedis[];
  /** Asks the first Sentinel that answers. @returns the port of the master, null when none answers. */
  masterPort(): Promise<number | null>;
  /** Kills all of it. It is for tries and tests; nothing is started again on its data. */
  kill(): Promise<void>;
}

const FORMING_MS_MAX = 60_000;
const POLL_MS = 50;
const FREE_PORT_TRIES_MAX = 5;

/** Thrown inside of this file only: something refused or did not answer. */
class SentinelFault extends Error {}

async function call(port: number, ...args: readonly (string | number)[]): Promise<RedisReply> {
  const reply = await callRedis({ port }, args);
  if (!reply.ok) throw new SentinelFault(`${String(args[0])} on port ${String(port)}: ${reply.error.message}`);
  return reply.value;
}

async function until(what: string | (() => string), condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + FORMING_MS_MAX;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (!(error instanceof SentinelFault) || systemClock.monotonicMs() > deadlineMs) throw error;
    }
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new SentinelFault(`not in time: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(POLL_MS);
  }
}

interface Sentinel {
  readonly port: number;
  readonly process: ChildProcess;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** Whether it is this process that answers there: another one may have taken the port before it. */
async function answersAt(port: number, child: ChildProcess): Promise<boolean> {
  if (hasEnded(child)) return true;
  return infoField(await call(port, 'INFO', 'server'), 'process_id') === String(child.pid);
}

/** @returns null when the port was taken meanwhile, so that it has ended. */
async function startSentinelAt(
  port: number,
  binary: string,
  dir: string,
  lines: readonly string[],
  detached: boolean,
): Promise<Sentinel | null> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, 'sentinel.conf');
  // It writes what it learns into this file.
  writeFileSync(
    file,
    [`port ${String(port)}`, 'bind 127.0.0.1', `dir ${JSON.stringify(dir)}`, ...lines, ''].join('\n'),
  );
  const log = openSync(join(dir, 'sentinel.log'), 'a');
  const child = spawn(binary, [file, '--sentinel'], { cwd: dir, detached, stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', () => undefined);
  await until('a Sentinel answers', () => answersAt(port, child));
  return hasEnded(child) ? null : { port, process: child };
}

async function startSentinel(
  binary: string,
  dir: string,
  lines: readonly string[],
  detached: boolean,
): Promise<Sentinel> {
  for (let tries = 1; tries <= FREE_PORT_TRIES_MAX; tries += 1) {
    const started = await startSentinelAt(await freePort(), binary, dir, lines, detached);
    if (started !== null) return started;
  }
  throw new SentinelFault('a Sentinel ended at its start, again and again');
}

/** Replicas follow, and every Sentinel knows them and the other Sentinels. */
async function form(nodes: readonly LocalRedis[], sentinels: readonly Sentinel[], name: string): Promise<void> {
  const replicas = nodes.length - 1;
  await until('every replica follows its master', async () => {
    const told = await Promise.all(nodes.slice(1).map(({ port }) => call(port ?? 0, 'INFO', 'replication')));
    return told.every((info) => infoField(info, 'master_link_status') === 'up');
  });
  let last = '';
  const all = (): string => `the Sentinels know all of it; they said last:\n${last}`;
  await until(all, async () => {
    const told = await Promise.all(sentinels.map(({ port }) => call(port, 'INFO', 'sentinel')));
    const whole = `name=${name},status=ok,`;
    const counts = `slaves=${String(replicas)},sentinels=${String(sentinels.length)}`;
    last = told.map((info) => infoField(info, 'master0') ?? 'nothing').join('\n');
    return told.every((info) => String(info).includes(whole) && String(info).includes(counts));
  });
}

/**
 * Starts a private master with replicas, and Sentinels that watch it, on loopback: by default one replica and three
 * Sentinels. Resolves when the replicas follow and the Sentinels know one another.
 */
export async function startSentinels(options: StartSentinelsOptions): Promise<Result<LocalSentinels, LocalRedisError>> {
  const { dir, name = 'main', sentinels: count = 3, replicas = 1, downAfterMs = 1_000, config = {}, ...more } = options;
  const found = options.binary === undefined ? await findRedisServer() : ok(options.binary);
  if (!found.ok) return found;
  const nodes: LocalRedis[] = [];
  const sentinels: Sentinel[] = [];
  const kill = async (): Promise<void> => {
    for (const { process: child } of sentinels) {
      if (hasEnded(child) || child.pid === undefined) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await Promise.all(nodes.map((node) => node.kill()));
  };
  try {
    for (let index = 0; index <= replicas; index += 1) {
      const started = await startRedis({
        ...more,
        binary: found.value,
        dir: join(dir, `redis-${String(index + 1)}`),
        // A replica that comes back gets its copy at once, and with it the writes that wait for it go on.
        config: { 'repl-diskless-sync-delay': 0, ...config },
      });
      if (!started.ok) {
        await kill();
        return started;
      }
      nodes.push(started.value);
    }
    const masterPort = String(nodes[0]?.port);
    for (const { port } of nodes.slice(1)) await call(port ?? 0, 'REPLICAOF', '127.0.0.1', masterPort);
    const lines = [
      `sentinel monitor ${name} 127.0.0.1 ${masterPort} ${String(Math.floor(count / 2) + 1)}`,
      `sentinel down-after-milliseconds ${name} ${String(downAfterMs)}`,
      `sentinel failover-timeout ${name} ${String(10 * downAfterMs)}`,
    ];
    for (let index = 0; index < count; index += 1) {
      const place = join(dir, `sentinel-${String(index + 1)}`);
      sentinels.push(await startSentinel(found.value.path, place, lines, more.processGroup !== 'shared'));
    }
    await form(nodes, sentinels, name);
  } catch (error) {
    await kill();
    if (!(error instanceof SentinelFault)) throw error;
    return err({
      code: 'redis_did_not_start',
      message: `the Sentinels did not come up: ${error.message}`,
      whatToDo: `Read the logs below ${dir}.`,
    });
  }
  return ok({
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${String(port)}`).join(',')}/${name}`,
    nodes,
    async masterPort() {
      for (const { port } of sentinels) {
        const told = await callRedis({ port }, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]);
        if (told.ok && Array.isArray(told.value)) return Number(told.value[1]);
      }
      return null;
    },
    kill,
  });
}
