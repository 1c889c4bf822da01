import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const root = new URL('../../../../', import.meta.url);

/** The build is the one that `npm start` runs; it is brought up to date when the tests run alone. */
export async function ensureServerBuilt(): Promise<void> {
  const build = (await import(new URL('scripts/lib/build.mjs', root).href)) as {
    readonly ensureBuilt: (options: { readonly quiet: boolean }) => Promise<void>;
  };
  await build.ensureBuilt({ quiet: true });
}

export interface ServerProcess {
  readonly pid: number;
  /** Everything that it wrote so far. */
  output(): string;
  /** Resolves with the first group of the pattern once the output has it. */
  told(pattern: RegExp): Promise<string>;
  httpUrl(): Promise<string>;
  /** Resolves once `/readyz` answers so. */
  untilReady(status?: number): Promise<Readonly<Record<string, unknown>>>;
  kill(signal: NodeJS.Signals): void;
  exited(): Promise<number | null>;
}

const running = new Set<() => void>();

/** Ends what a failed test left. */
export function endLeftServers(): void {
  for (const end of running) end();
  running.clear();
}

/** Runs the server as built on free ports. Nothing of this process's environment reaches it. */
export function startServer(
  dir: string,
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): ServerProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('dist/server.mjs', root)), ...args], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], MILLRACE_PORT: '0', MILLRACE_PARTITIONS: '16', ...env },
  });
  const end = (): void => {
    child.kill('SIGKILL');
  };
  running.add(end);
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exit = once(child, 'close').then(([code]) => {
    running.delete(end);
    return code as number | null;
  });
  const told = async (pattern: RegExp): Promise<string> => {
    await expect.poll(() => output, { timeout: 20_000 }).toMatch(pattern);
    return pattern.exec(output)?.[1] ?? '';
  };
  const httpUrl = (): Promise<string> => told(/httpUrl"?[=:]"?(http:\/\/[\d.:]+)/);
  return {
    pid: child.pid ?? 0,
    output: () => output,
    told,
    httpUrl,
    async untilReady(status = 200) {
      const url = `${await httpUrl()}/readyz`;
      let body: Readonly<Record<string, unknown>> = {};
      const ask = async (): Promise<number> => {
        const response = await fetch(url);
        body = (await response.json()) as typeof body;
        return response.status;
      };
      await expect.poll(ask, { timeout: 20_000 }).toBe(status);
      return body;
    },
    kill: (signal) => child.kill(signal),
    exited: () => exit,
  };
}
