import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

const READY_MS_MAX = 60_000;

export interface FaultNodeOptions {
  readonly name: string;
  /** For its log. */
  readonly dir: string;
  readonly bundle: string;
  readonly port: number;
  readonly socketPort: number;
  readonly redisUrl: string;
  readonly env: Readonly<Record<string, string>>;
}

/** One node of Millrace, as built, in a process of its own. Its log goes on over restarts. */
export class FaultNode {
  readonly name: string;
  readonly url: string;
  readonly socketUrl: string;
  readonly #options: FaultNodeOptions;
  #child: ChildProcess | null = null;

  constructor(options: FaultNodeOptions) {
    this.name = options.name;
    this.url = `http://127.0.0.1:${String(options.port)}`;
    this.socketUrl = `ws://127.0.0.1:${String(options.socketPort)}`;
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote to its log so far. */
  log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  get #logFile(): string {
    return join(this.#options.dir, `${this.name}.log`);
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    const { name, dir, bundle, port, socketPort, redisUrl, env } = this.#options;
    const log = openSync(this.#logFile, 'a');
    this.#child = spawn(process.execPath, ['--enable-source-maps', bundle], {
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env['PATH'],
        REDIS_URL: redisUrl,
        MILLRACE_NODE_NAME: name,
        MILLRACE_PORT: String(port),
        MILLRACE_SOCKET_PORT: String(socketPort),
        MILLRACE_DATA_DIR: dir,
        MILLRACE_LOG_FORMAT: 'json',
        ...env,
      },
    });
    closeSync(log);
    await until(`${name} is ready`, () => this.#isReady(), READY_MS_MAX);
  }

  /** Sends a signal; for one that ends the process, waits until it is gone. @returns the exit code, or null. */
  async signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null || !this.isRunning) return child?.exitCode ?? null;
    const gone = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone;
    return child.exitCode;
  }

  async #isReady(): Promise<boolean> {
    if (!this.isRunning) throw new Error(`${this.name} ended at its start; see its log`);
    try {
      const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await answer.arrayBuffer();
      return answer.ok;
    } catch {
      return false;
    }
  }
}
