import { spawn } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok, systemClock, systemRandom, type Result } from '@millrace/kernel';
import { freePort, isAlive } from '@millrace/local-redis';
import type { LocalPostgresError } from './errors.ts';
import { findPostgres, type PostgresBinaries } from './find-postgres.ts';
import { childrenOf } from './process-tree.ts';
import { giveDirectory, serverUser, type ServerUser } from './server-user.ts';

export interface StartPostgresOptions {
  /** Data, password and log live here; made when missing. One PostgreSQL a directory. */
  readonly dir: string;
  /** A server found before; by default it is looked for. */
  readonly binaries?: PostgresBinaries;
  /** Settings over ours: `{ max_connections: 20 }`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface LocalPostgres {
  /** `postgres://millrace:PASSWORD@127.0.0.1:PORT/postgres`; stable over restarts. */
  readonly url: string;
  readonly port: number;
  /** The process now; another one after a restart. */
  readonly pid: number;
  readonly running: boolean;
  readonly dir: string;
  readonly logFile: string;
  /** Ends it cleanly; sessions are cut. Twice does nothing. */
  stop(): Promise<Result<void, LocalPostgresError>>;
  /** SIGKILL to the server and to every process of it at once, as when the machine goes; waits until all are gone. */
  kill(): Promise<void>;
  /** Starts it again where it was, with the data it has; stops it first when it still runs. */
  restart(): Promise<Result<void, LocalPostgresError>>;
}

const USER = 'millrace';
/** Until it takes connections; it may have to recover first. */
const START_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const POLL_MS = 20;
const FREE_PORT_TRIES_MAX = 5;
const RESTART_TRIES_MAX = 50;
const RESTART_PAUSE_MS = 200;

interface Place {
  readonly dir: string;
  readonly data: string;
  readonly logFile: string;
  readonly binaries: PostgresBinaries;
  readonly user: ServerUser;
  readonly settings: Readonly<Record<string, string | number>>;
}

async function waitUntil(condition: () => boolean, msMax: number): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + msMax;
  while (!condition()) {
    if (systemClock.monotonicMs() > deadlineMs) return false;
    await sleep(POLL_MS);
  }
  return true;
}

function didNotStart({ dir, logFile }: Place, reason: string): LocalPostgresError {
  const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-8).join('\n') : '';
  return {
    code: 'postgres_did_not_start',
    message: `PostgreSQL did not start on ${dir}: ${reason}. The end of its log:\n${log}`,
    whatToDo: `Read ${logFile}.`,
  };
}

/** Runs a program of PostgreSQL as its user, with its output in the log. */
function launch(place: Place, program: string, args: readonly string[]): Promise<ReturnType<typeof spawn> | Error> {
  const log = openSync(place.logFile, 'a');
  const child = spawn(program, args, {
    cwd: place.dir,
    stdio: ['ignore', log, log],
    // Nothing of the caller's PGDATA, PGPORT and the like.
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...markOf(process.env) },
    ...(place.user ?? {}),
  });
  closeSync(log);
  return new Promise((resolve) => {
    child.once('error', resolve);
    child.once('spawn', () => {
      resolve(child);
    });
  });
}

/** What a run of the tests marks its processes with goes on to ours: it ends those that are left behind. */
const markOf = (environment: NodeJS.ProcessEnv): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('MILLRACE_')));

async function initialise(place: Place, password: string): Promise<Result<void, LocalPostgresError>> {
  const passwordFile = join(place.dir, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  const given = giveDirectory(passwordFile, place.user);
  if (!given.ok) return given;
  const child = await launch(place, place.binaries.initdb, [
    `--pgdata=${place.data}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ]);
  if (child instanceof Error) return err(didNotStart(place, child.message));
  const code = await new Promise<number>((resolve) => {
    child.once('close', (exitCode) => {
      resolve(exitCode ?? 128);
    });
  });
  rmSync(passwordFile, { force: true });
  return code === 0 ? ok(undefined) : err(didNotStart(place, `initdb ended with ${String(code)}`));
}

/** The eighth line of postmaster.pid tells how far the server is; the first one whose file it is. */
function isReady(place: Place, pid: number): boolean {
  const file = join(place.data, 'postmaster.pid');
  if (!existsSync(file)) return false;
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

async function startServer(place: Place, port: number): Promise<Result<number, LocalPostgresError>> {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    shared_buffers: '32MB',
    max_connections: 60,
    logging_collector: 'off',
    ...place.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
  const child = await launch(place, place.binaries.postgres, ['-D', place.data, ...flags]);
  if (child instanceof Error || child.pid === undefined) {
    return err(didNotStart(place, child instanceof Error ? child.message : 'no process'));
  }
  const { pid } = child;
  if (await waitUntil(() => isReady(place, pid) || !isAlive(pid), START_MS_MAX)) {
    return isAlive(pid) ? ok(pid) : err(didNotStart(place, 'it ended at once'));
  }
  process.kill(pid, 'SIGKILL');
  return err(didNotStart(place, 'it is not ready'));
}

/**
 * Starts a private PostgreSQL, made when the directory is empty: loopback only, with a password, synced to the disk. As
 * root it runs under the machine's user `postgres` or `nobody`.
 */
export async function startPostgres(options: StartPostgresOptions): Promise<Result<LocalPostgres, LocalPostgresError>> {
  const dir = resolvePath(options.dir);
  const found = options.binaries === undefined ? await findPostgres() : ok(options.binaries);
  if (!found.ok) return found;
  const user = serverUser();
  if (!user.ok) return user;
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o700);
  const given = giveDirectory(dir, user.value);
  if (!given.ok) return given;
  const data = join(dir, 'data');
  const place: Place = {
    dir,
    data,
    logFile: join(dir, 'postgres.log'),
    binaries: found.value,
    user: user.value,
    settings: options.settings ?? {},
  };
  if (existsSync(data)) {
    return err({
      code: 'directory_in_use',
      message: `${data} is there already.`,
      whatToDo: 'Give this PostgreSQL a directory of its own.',
    });
  }
  const password = systemRandom.id();
  const initialised = await initialise(place, password);
  if (!initialised.ok) return initialised;
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    const started = await startServer(place, port);
    if (started.ok) return ok(handleOf(place, port, started.value, password));
    // Between the probe and the start somebody else may have taken the port.
    const isTaken = /could not bind|could not create any TCP/.test(started.error.message);
    if (!isTaken || tries === FREE_PORT_TRIES_MAX) return started;
  }
}

function handleOf(place: Place, port: number, firstPid: number, password: string): LocalPostgres {
  let pid = firstPid;

  const endCleanly = async (): Promise<Result<void, LocalPostgresError>> => {
    // SIGINT is its fast shutdown.
    if (isAlive(pid)) process.kill(pid, 'SIGINT');
    if (await waitUntil(() => !isAlive(pid), STOP_MS_MAX)) return ok(undefined);
    return err({
      code: 'postgres_did_not_stop',
      message: `PostgreSQL (process ${String(pid)}) did not stop within ${String(STOP_MS_MAX / 1_000)} s.`,
      whatToDo: `Read ${place.logFile}, and end it yourself.`,
    });
  };

  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${String(port)}/postgres`,
    port,
    get pid() {
      return pid;
    },
    get running() {
      return isAlive(pid);
    },
    dir: place.dir,
    logFile: place.logFile,
    stop: endCleanly,
    async kill() {
      if (!isAlive(pid)) return;
      const children = await childrenOf(pid);
      // The parent first: else it would see its children go, and begin to recover.
      for (const victim of [pid, ...children]) {
        try {
          process.kill(victim, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
      await waitUntil(() => ![pid, ...children].some(isAlive), STOP_MS_MAX);
    },
    async restart() {
      const ended = await endCleanly();
      if (!ended.ok) return ended;
      for (let tries = 1; ; tries += 1) {
        const started = await startServer(place, port);
        if (started.ok) pid = started.value;
        if (started.ok) return ok(undefined);
        // Somebody else may have the port for a moment, and what was killed leaves its memory behind for as long.
        const isSoonFree = /could not bind|could not create any TCP|pre-existing shared memory/.test(
          started.error.message,
        );
        if (!isSoonFree || tries === RESTART_TRIES_MAX) return started;
        await sleep(RESTART_PAUSE_MS);
      }
    },
  };
}
