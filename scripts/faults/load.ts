import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LiveProgress, LiveResult } from '../../apps/cli/src/live/live-report.ts';

export interface LoadOptions {
  readonly bundle: string;
  /** For what it writes. */
  readonly dir: string;
  /** HTTP addresses of the nodes. */
  readonly urls: readonly string[];
  readonly secretFile: string;
  /** Messages a second; null: as many as go. */
  readonly rate: number | null;
  readonly seconds?: number;
  readonly settleSeconds: number;
}

type LiveLine = LiveProgress | LiveResult | { readonly event: 'started' };

const FINISH_MS_MAX = 200_000;

/** `millrace verify --live` as a process of its own: the load, and the outside check. */
export class LiveLoad {
  readonly #child: ChildProcess;
  readonly #started: Promise<void>;
  readonly #result: Promise<LiveResult>;
  progress: LiveProgress | null = null;

  constructor({ bundle, dir, urls, secretFile, rate, seconds, settleSeconds }: LoadOptions) {
    const notes = openSync(join(dir, 'load.log'), 'a');
    const args = ['verify', '--live', '--json', '--token-secret-file', secretFile];
    args.push(...urls.flatMap((url) => ['--url', url]), '--rate', rate === null ? 'max' : String(rate));
    args.push('--settle-seconds', String(settleSeconds));
    if (seconds !== undefined) args.push('--seconds', String(seconds));
    this.#child = spawn(process.execPath, ['--enable-source-maps', bundle, ...args], {
      stdio: ['ignore', 'pipe', notes],
    });
    closeSync(notes);
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('its output is a pipe');
    const lines = createInterface({ input: stdout });
    let onStarted: () => void = () => undefined;
    let onEarlyEnd: (error: Error) => void = () => undefined;
    this.#started = new Promise((resolve, reject) => {
      onStarted = resolve;
      onEarlyEnd = reject;
    });
    this.#result = new Promise((resolve, reject) => {
      lines.on('line', (text) => {
        const line = JSON.parse(text) as LiveLine;
        if (line.event === 'started') onStarted();
        else if (line.event === 'progress') this.progress = line;
        else resolve(line);
      });
      lines.on('close', () => {
        const error = new Error(`the load ended without a result; see ${join(dir, 'load.log')}`);
        onEarlyEnd(error);
        reject(error);
      });
    });
    // Whoever waits for it is told; while nobody does, it is no error of this process.
    this.#result.catch(() => undefined);
    this.#started.catch(() => undefined);
  }

  /** Resolves when it publishes. */
  started(): Promise<void> {
    return this.#started;
  }

  /** Resolves with what it found, once it has ended by itself. */
  result(): Promise<LiveResult> {
    return this.#result;
  }

  /** Ends publishing, and waits for what was found. */
  async finish(): Promise<LiveResult> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.kill();
    }, FINISH_MS_MAX);
    try {
      return await this.#result;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
