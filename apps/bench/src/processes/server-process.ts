import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, systemRandom, type UserId } from '@millrace/kernel';
import type { AckLevel, EngineChoice } from '../options.ts';
import { startPrivateCluster, startPrivateRedis } from './private-redis.ts';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
const POLL_MS = 25;

/** The servers under test, with what measures them. */
export interface Target {
  /** Of the first. */
  readonly url: string;
  /** Of each, as `websockets`. */
  readonly urls: readonly string[];
  readonly websockets: readonly string[];
  readonly secret: string;
  /** Empty when they were not started here. */
  readonly serverPids: readonly number[];
  /** Of the Redis that was started here, and of its replica. */
  readonly redisPids: readonly number[];
  /** At which it was asked to acknowledge. */
  readonly ackLevel: AckLevel;
  /** Where ioredis finds it; null when it was not started here. */
  readonly redisUrl: string | null;
  /** The end of the log of one that has ended by itself; null while all run. */
  obituary(): string | null;
  stop(): Promise<void>;
}

/** One that was started here. */
export interface OwnTarget extends Target {
  readonly redisUrl: string;
  /** Ends the servers and starts them again over the same Redis: what was in their memory is not any more. */
  restart(): Promise<OwnTarget>;
}

/** Two free ports, as a server wants them. */
async function freePorts(): Promise<readonly [number, number]> {
  const probes = await Promise.all(
    [0, 0].map(
      () =>
        new Promise<{ port: number; close: () => Promise<void> }>((resolve, reject) => {
          const probe = createServer();
          probe.on('error', reject);
          probe.listen(0, '127.0.0.1', () => {
            const address = probe.address();
            const port = typeof address === 'object' && address !== null ? address.port : 0;
            const close = (): Promise<void> =>
              new Promise((closed) => {
                probe.close(() => {
                  closed();
                });
              });
            resolve({ port, close });
          });
        }),
    ),
  );
  await Promise.all(probes.map((probe) => probe.close()));
  return [probes[0]?.port ?? 0, probes[1]?.port ?? 0];
}

export async function socketAddressOf(url: string, query = ''): Promise<string> {
  const response = await fetch(`${url}/api/v1/endpoints${query}`, { signal: AbortSignal.timeout(10_000) });
  const { websocket } = (await response.json()) as { readonly websocket?: string };
  if (websocket === undefined) throw new Error(`${url} does not say where its sockets are`);
  return websocket;
}

/** For each user where its socket is best opened, as a client finds it out. */
export async function homesOf(url: string, users: readonly UserId[]): Promise<readonly string[]> {
  const homes: string[] = [];
  for (const user of users) homes.push(await socketAddressOf(url, `?user=${encodeURIComponent(user)}`));
  return homes;
}

const endOfLog = (log: string): string => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');

async function ready(url: string, child: ChildProcess, log: string): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const isReady = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    const isGone = child.exitCode !== null || child.signalCode !== null;
    if (isGone || systemClock.monotonicMs() - startedMs > READY_MS_MAX) {
      throw new Error(`the server ${isGone ? 'ended' : 'is not ready'}; the end of its log:\n${endOfLog(log)}`);
    }
    await sleep(POLL_MS);
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exited;
  clearTimeout(timer);
}

export interface StartTarget {
  /** The bundle of the server. */
  readonly bundle: string;
  /** Of Node, before it. */
  readonly args?: readonly string[];
  readonly ackLevel: AckLevel;
  readonly engine: EngineChoice;
  readonly nodes: number;
  /** Of a Redis Cluster; 0 or left out: one Redis, and no Cluster. */
  readonly masters?: number;
  /** Variables of the servers beside those that every run sets. */
  readonly settings?: Readonly<Record<string, string>>;
}

interface ServerNode {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: string;
}

async function startNode(
  { bundle, args = [], ackLevel, engine, settings }: StartTarget,
  name: string,
  dir: string,
  redisUrl: string,
  secret: string,
): Promise<ServerNode> {
  const dataDir = join(dir, name);
  mkdirSync(dataDir, { recursive: true });
  const log = join(dir, `${name}.log`);
  const [port, socketPort] = await freePorts();
  const output = openSync(log, 'a');
  const child = spawn(process.execPath, [...args, bundle], {
    stdio: ['ignore', output, output],
    env: {
      ...process.env,
      REDIS_URL: redisUrl,
      MILLRACE_MODE: 'development',
      MILLRACE_NODE_NAME: name,
      MILLRACE_PORT: String(port),
      MILLRACE_SOCKET_PORT: String(socketPort),
      MILLRACE_DATA_DIR: dataDir,
      MILLRACE_JWT_SECRET: secret,
      MILLRACE_ACK: ackLevel,
      MILLRACE_SOCKET_ENGINE: engine,
      // Groups are diffused by their size alone: a figure is of one mode.
      MILLRACE_READ_ABOVE_LOAD: '1000000000',
      MILLRACE_WRITE_BELOW_LOAD: '1000000000',
      MILLRACE_LOG_LEVEL: 'warn',
      ...settings,
    },
  });
  closeSync(output);
  return { url: `http://127.0.0.1:${String(port)}`, child, log };
}

async function servedBy({ url }: ServerNode): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^millrace_partitions_serving(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? 0);
}

/** Waits until the partitions are spread evenly: a move during the measurement would be measured. */
async function spread(nodes: readonly ServerNode[]): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const counts = await Promise.all(nodes.map(servedBy));
    if (Math.min(...counts) > 0 && Math.max(...counts) - Math.min(...counts) <= 1) return;
    if (systemClock.monotonicMs() - startedMs > READY_MS_MAX) {
      throw new Error(`the partitions are not spread over the nodes: ${counts.join(', ')}`);
    }
    await sleep(POLL_MS);
  }
}

const hasEnded = ({ child }: ServerNode): boolean => child.exitCode !== null || child.signalCode !== null;

/** Starts a Redis and servers of the bench's own, in a directory that is gone after `stop`. */
export async function startTarget(what: StartTarget): Promise<OwnTarget> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const { masters = 0, ackLevel } = what;
  const redisDir = join(dir, 'redis');
  const starting =
    masters === 0 ? startPrivateRedis(redisDir, ackLevel) : startPrivateCluster(redisDir, ackLevel, masters);
  const redis = await starting.catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  });
  const secret = systemRandom.id() + systemRandom.id();
  let nodes: ServerNode[] = [];
  // At once, so that nobody hands anything to one that goes down next.
  const stopNodes = (): Promise<unknown> => Promise.all(nodes.map(({ child }) => stopChild(child)));
  const stop = async (): Promise<void> => {
    await stopNodes();
    // Not killed: a child of it that rewrites its log would go on writing into the directory.
    await redis.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const start = async (): Promise<OwnTarget> => {
    nodes = [];
    for (let number = 1; number <= what.nodes; number += 1) {
      nodes.push(await startNode(what, `bench-${String(number)}`, dir, redis.url, secret));
    }
    const started = nodes;
    await Promise.all(started.map(({ url, child, log }) => ready(url, child, log)));
    await spread(started);
    return {
      url: started[0]?.url ?? '',
      urls: started.map(({ url }) => url),
      websockets: await Promise.all(started.map(({ url }) => socketAddressOf(url))),
      secret,
      serverPids: started.flatMap(({ child }) => child.pid ?? []),
      redisPids: redis.pids,
      ackLevel: what.ackLevel,
      redisUrl: redis.url,
      obituary: () => {
        const ended = started.find(hasEnded);
        return ended === undefined ? null : endOfLog(ended.log);
      },
      restart: async () => {
        await stopNodes();
        return start();
      },
      stop,
    };
  };
  try {
    return await start();
  } catch (error) {
    await stop();
    throw error;
  }
}
