import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-redis';
import { testApiKey, testSecret } from './test-tokens.ts';

const SERVER = fileURLToPath(new URL('../../../../dist/server.mjs', import.meta.url));
const START_MS_MAX = 60_000;

export interface MillraceProcess {
  readonly httpUrl: string;
  readonly socketUrl: string;
  readonly pid: number;
  /** Null while it runs, and when a signal ended it. */
  readonly exitCode: number | null;
  /** What it wrote to its log since the start. */
  log(): string;
  /** Resolves once the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports; kills it first if it still runs. */
  restart(): Promise<void>;
  /** SIGTERM, and waits. @returns the exit code. */
  stop(): Promise<number | null>;
}

async function untilReady(httpUrl: string, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the server ended at its start:\n${log()}`);
    try {
      const answer = await fetch(`${httpUrl}/readyz`);
      await answer.arrayBuffer();
      if (answer.status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(10);
  }
  throw new Error(`the server was not ready in time:\n${log()}`);
}

/** Starts the real server, as built, in a process of its own, on free ports. The caller stops it. */
export async function startMillrace(
  redisUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<MillraceProcess> {
  const [port, socketPort] = [await freePort(), await freePort()];
  const httpUrl = `http://127.0.0.1:${String(port)}`;
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
  let child: ChildProcess;
  let output = '';
  const log = (): string => output;

  const launch = async (): Promise<void> => {
    const started = spawn(process.execPath, ['--enable-source-maps', SERVER], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        REDIS_URL: redisUrl,
        MILLRACE_PORT: String(port),
        MILLRACE_SOCKET_PORT: String(socketPort),
        MILLRACE_DATA_DIR: dataDir,
        MILLRACE_NODE_NAME: 'e2e',
        MILLRACE_JWT_SECRET: testSecret,
        MILLRACE_API_KEYS: `test:admin:${testApiKey}`,
        MILLRACE_LOG_FORMAT: 'json',
        ...env,
      },
    });
    child = started;
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-200_000);
    };
    started.stdout.on('data', collect);
    started.stderr.on('data', collect);
    await untilReady(httpUrl, started, log);
  };
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone;
  };
  const endWithUs = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', endWithUs);
  try {
    await launch();
  } catch (error) {
    endWithUs();
    throw error;
  }
  return {
    httpUrl,
    socketUrl: `ws://127.0.0.1:${String(socketPort)}`,
    get pid() {
      return child.pid ?? 0;
    },
    get exitCode() {
      return child.exitCode;
    },
    log,
    kill,
    async restart() {
      await kill('SIGKILL');
      await launch();
    },
    async stop() {
      await kill('SIGTERM');
      process.off('exit', endWithUs);
      rmSync(dataDir, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}
