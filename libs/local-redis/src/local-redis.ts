import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, systemClock, type Result } from '@millrace/kernel';
import { aofFilesOf, type AofFile } from './aof-files.ts';
import { leaveDirectory, recordRedis, takeDirectory, type RedisRecord } from './directory-owner.ts';
import type { LocalRedisError } from './errors.ts';
import { freePort } from './free-port.ts';
import { findRedisServer, type RedisServerBinary } from './find-redis-server.ts';
import { commandLineOf, isAlive, workingDirectoryOf } from './process-life.ts';
import { redisConfigText } from './redis-config.ts';
import { callRedis, infoField, type RedisEndpoint } from './resp.ts';

export interface StartRedisOptions {
  /** Data, configuration and log live here; made when missing. One Redis a directory. */
  readonly dir: string;
  /** A loopback port; 0, the default, takes a free one. */
  readonly port?: number;
  /** Listens on `dir`/redis.sock instead of a port. */
  readonly unixSocket?: boolean;
  readonly appendfsync?: 'everysec' | 'always';
  /** More lines of redis.conf, over ours: `{ maxmemory: '64mb' }`. */
  readonly config?: Readonly<Record<string, string | number>>;
  /**
   * `own` (the default): Redis leads a process group of its own, so that an interrupt from the terminal reaches only
   * its owner, who stops it after draining. `shared`: it lives and dies with the caller's group, as tests want it.
   */
  readonly processGroup?: 'own' | 'shared';
  /** A server found before; by default it is looked for. */
  readonly binary?: RedisServerBinary;
}

export interface LocalRedis {
  /** `redis://127.0.0.1:PORT`, or `unix:///path` for a socket: both are what ioredis takes. Stable over restarts. */
  readonly url: string;
  /** The port; undefined on a unix socket. */
  readonly port: number | undefined;
  readonly endpoint: RedisEndpoint;
  /** The process now; another one after a restart. */
  readonly pid: number;
  /** Whether the process is there now. A paused one is. */
  readonly running: boolean;
  readonly dir: string;
  /** Whether the process was found running, left behind by an owner that died. */
  readonly adopted: boolean;
  readonly logFile: string;
  /** Ends it cleanly (SIGTERM: the log is flushed and synced) and gives the directory up. Twice does nothing. */
  stop(): Promise<Result<void, LocalRedisError>>;
  /** Sends a signal, by default SIGKILL; for one that ends the process, waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was, with the data it has; stops it first when it still runs. */
  restart(): Promise<Result<void, LocalRedisError>>;
  /** The files that a restart would load, in load order, with their sizes now. */
  aofFiles(): readonly AofFile[];
}

/** Until the first answer; loading a large log is allowed longer. */
const ANSWER_MS_MAX = 20_000;
const LOADING_MS_MAX = 600_000;
/** Redis itself gives up waiting for replicas after 10 s (shutdown-timeout). */
const STOP_MS_MAX = 30_000;
const POLL_MS = 10;
const INSIST_MS = 500;
const FREE_PORT_TRIES_MAX = 5;
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** 108 bytes in sun_path on Linux, 104 on macOS, with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 103;
/** Signals after which the process goes on. */
const NOT_FATAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH']);

type Launch = Required<Pick<StartRedisOptions, 'appendfsync' | 'processGroup' | 'config'>> & {
  readonly dir: string;
  readonly binary: RedisServerBinary;
};

const configFileOf = (dir: string): string => join(dir, 'redis.conf');
const logFileOf = (dir: string): string => join(dir, 'redis.log');

/** @returns whether the condition came true in time. */
async function waitUntil(condition: () => boolean | Promise<boolean>, msMax: number): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + msMax;
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadlineMs) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** A Redis that runs on this directory, which it makes its working directory, not a stranger that got its pid. */
function isOurs(pid: number, dir: string): boolean {
  if (!isAlive(pid)) return false;
  const workingDirectory = workingDirectoryOf(pid);
  if (workingDirectory !== undefined) return workingDirectory === realpathSync(dir);
  return commandLineOf(pid)?.includes(configFileOf(dir)) ?? false;
}

function didNotStart(dir: string, reason: string): LocalRedisError {
  let lastLines = '';
  if (existsSync(logFileOf(dir))) {
    lastLines = readFileSync(logFileOf(dir), 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  }
  return {
    code: 'redis_did_not_start',
    message: `Redis did not start on ${dir}: ${reason}. The end of its log:\n${lastLines}`,
    whatToDo: `Read ${logFileOf(dir)}; set REDIS_URL to use a Redis that runs already.`,
  };
}

/** Waits for the first PONG, which Redis gives only when the data is loaded. */
async function waitForReady(pid: number, endpoint: RedisEndpoint): Promise<string | undefined> {
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    if (!isAlive(pid)) return 'it ended at once';
    const answer = await callRedis(endpoint, ['PING']);
    if (answer.ok) {
      // Another Redis may hold the port while ours is on its way out.
      const info = await callRedis(endpoint, ['INFO', 'server']);
      if (info.ok) return infoField(info.value, 'process_id') === String(pid) ? undefined : 'the port is taken';
    }
    const loading = !answer.ok && answer.error.code === 'refused' && answer.error.message.startsWith('LOADING');
    const waitedMs = systemClock.monotonicMs() - startedMs;
    if (waitedMs > (loading ? LOADING_MS_MAX : ANSWER_MS_MAX)) {
      return loading ? 'it is still loading' : 'it does not answer';
    }
    await sleep(POLL_MS);
  }
}

async function launch(options: Launch, endpoint: RedisEndpoint): Promise<Result<RedisRecord, LocalRedisError>> {
  const { dir } = options;
  writeFileSync(
    configFileOf(dir),
    redisConfigText({ dir, endpoint, appendfsync: options.appendfsync, extra: options.config }),
  );
  const log = logFileOf(dir);
  if (existsSync(log) && statSync(log).size > LOG_BYTES_MAX) renameSync(log, `${log}.1`);
  const logDescriptor = openSync(log, 'a');
  const child = spawn(options.binary.path, [configFileOf(dir)], {
    cwd: dir,
    detached: options.processGroup === 'own',
    stdio: ['ignore', logDescriptor, logDescriptor],
  });
  closeSync(logDescriptor);
  const spawnError = await new Promise<Error | undefined>((resolve) => {
    child.once('error', resolve);
    child.once('spawn', () => {
      resolve(undefined);
    });
  });
  const { pid } = child;
  if (spawnError !== undefined || pid === undefined) {
    return err(didNotStart(dir, spawnError?.message ?? 'no process'));
  }
  // Written before it answers: should we die now, the next owner finds it.
  recordRedis(dir, { pid, endpoint });
  const problem = await waitForReady(pid, endpoint);
  if (problem === undefined) return ok({ pid, endpoint });
  await end(pid, 'SIGKILL');
  return err(didNotStart(dir, problem));
}

async function end(pid: number, signal: NodeJS.Signals): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + STOP_MS_MAX;
  while (isAlive(pid)) {
    // Again and again: a Redis that writes its first log ("Can't exit") forgets that it was told to end.
    process.kill(pid, signal);
    if (await waitUntil(() => !isAlive(pid), INSIST_MS)) break;
    if (systemClock.monotonicMs() > deadlineMs) return false;
  }
  return true;
}

/**
 * A Redis left behind by an owner that died is taken over when it serves where and how it is asked to now; else
 * it is ended first, for two on one data directory would destroy it.
 */
async function adoptOrEnd(
  orphan: RedisRecord,
  options: Launch,
  wanted: RedisEndpoint | 'any port',
): Promise<RedisRecord | undefined> {
  const { dir } = options;
  if (!isOurs(orphan.pid, dir)) return undefined;
  const { endpoint } = orphan;
  const wantedText = redisConfigText({ dir, endpoint, appendfsync: options.appendfsync, extra: options.config });
  const sameConfig = readFileSync(configFileOf(dir), 'utf8') === wantedText;
  const samePlace = wanted === 'any port' ? 'port' in endpoint : JSON.stringify(wanted) === JSON.stringify(endpoint);
  if (sameConfig && samePlace && (await waitForReady(orphan.pid, endpoint)) === undefined) return orphan;
  // It may be stopped by a signal, which would hold SIGTERM back.
  if (isAlive(orphan.pid)) process.kill(orphan.pid, 'SIGCONT');
  if (!(await end(orphan.pid, 'SIGTERM'))) await end(orphan.pid, 'SIGKILL');
  return undefined;
}

async function launchAnywhere(
  options: Launch,
  wanted: RedisEndpoint | 'any port',
): Promise<Result<RedisRecord, LocalRedisError>> {
  if (wanted !== 'any port') return launch(options, wanted);
  let outcome = await launch(options, { port: await freePort() });
  // Between the probe and the start somebody else may have taken the port.
  for (let tries = 1; !outcome.ok && tries < FREE_PORT_TRIES_MAX; tries += 1) {
    if (!/Address already in use|the port is taken/.test(outcome.error.message)) break;
    outcome = await launch(options, { port: await freePort() });
  }
  return outcome;
}

/**
 * Starts a private Redis: append-only log on, no snapshots, no eviction, small stream nodes, loopback only. Resolves
 * when it has loaded its data and answers.
 */
export async function startRedis(options: StartRedisOptions): Promise<Result<LocalRedis, LocalRedisError>> {
  const dir = resolvePath(options.dir);
  const socketPath = join(dir, 'redis.sock');
  if (options.unixSocket === true && Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
    return err({
      code: 'path_too_long',
      message: `${socketPath} is longer than the ${String(SOCKET_PATH_BYTES_MAX)} bytes that a unix socket may have.`,
      whatToDo: 'Use a shorter data directory, or a port.',
    });
  }
  const found = options.binary === undefined ? await findRedisServer() : ok(options.binary);
  if (!found.ok) return found;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const taken = takeDirectory(dir);
  if (!taken.ok) return taken;

  const launchOptions: Launch = {
    dir,
    binary: found.value,
    appendfsync: options.appendfsync ?? 'everysec',
    processGroup: options.processGroup ?? 'own',
    config: options.config ?? {},
  };
  const fixed = options.unixSocket === true ? { unixSocket: socketPath } : { port: options.port ?? 0 };
  const wanted = 'port' in fixed && fixed.port === 0 ? ('any port' as const) : fixed;
  const adopted = taken.value === null ? undefined : await adoptOrEnd(taken.value, launchOptions, wanted);
  const started = adopted === undefined ? await launchAnywhere(launchOptions, wanted) : ok(adopted);
  if (!started.ok) {
    leaveDirectory(dir);
    return started;
  }
  recordRedis(dir, started.value);
  return ok(handleOf(launchOptions, started.value, adopted !== undefined));
}

function handleOf(options: Launch, first: RedisRecord, adopted: boolean): LocalRedis {
  const { dir } = options;
  const { endpoint } = first;
  let { pid } = first;
  let stopped = false;

  const endCleanly = async (): Promise<Result<void, LocalRedisError>> => {
    if (isOurs(pid, dir) && !(await end(pid, 'SIGTERM'))) {
      return err({
        code: 'redis_did_not_stop',
        message: `Redis (process ${String(pid)}) did not end within ${String(STOP_MS_MAX)} ms of SIGTERM.`,
        whatToDo: `Read ${logFileOf(dir)}, then end it by \`kill -9 ${String(pid)}\`.`,
      });
    }
    return ok(undefined);
  };

  return {
    url: 'port' in endpoint ? `redis://127.0.0.1:${String(endpoint.port)}` : `unix://${endpoint.unixSocket}`,
    port: 'port' in endpoint ? endpoint.port : undefined,
    endpoint,
    get pid() {
      return pid;
    },
    get running() {
      return isOurs(pid, dir);
    },
    dir,
    adopted,
    logFile: logFileOf(dir),
    async stop() {
      if (stopped) return ok(undefined);
      const outcome = await endCleanly();
      if (outcome.ok) {
        stopped = true;
        leaveDirectory(dir);
      }
      return outcome;
    },
    async kill(signal = 'SIGKILL') {
      if (!isOurs(pid, dir)) return;
      if (NOT_FATAL.has(signal)) process.kill(pid, signal);
      else await end(pid, signal);
    },
    async restart() {
      const ended = await endCleanly();
      if (!ended.ok) return ended;
      if (stopped) {
        const taken = takeDirectory(dir);
        if (!taken.ok) return taken;
        stopped = false;
      }
      const started = await launch(options, endpoint);
      if (!started.ok) return started;
      pid = started.value.pid;
      return ok(undefined);
    },
    aofFiles: () => aofFilesOf(dir),
  };
}
