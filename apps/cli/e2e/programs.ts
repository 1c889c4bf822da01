import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const dist = (name: string): string => fileURLToPath(new URL(`../../../dist/${name}`, import.meta.url));

/** A program of the build, with what it wrote so far. */
export interface Program {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly notes: () => string;
  /** Resolves with the exit code, 128 and more for a signal's end. */
  readonly ended: Promise<number>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function start(
  bundle: 'cli.mjs' | 'server.mjs',
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Program {
  const child = spawn(process.execPath, ['--enable-source-maps', dist(bundle), ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  });
  running.add(child);
  let out = '';
  let notes = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (notes += chunk.toString('utf8')));
  const ended = once(child, 'close').then(() => {
    running.delete(child);
    return child.exitCode ?? 128;
  });
  return { child, out: () => out, notes: () => notes, ended };
}

export async function kill(program: Program, signal: NodeJS.Signals = 'SIGKILL'): Promise<number> {
  program.child.kill(signal);
  return program.ended;
}

/** Waits for a condition of the outside world. @throws with `what` when it does not come true in time. */
export async function until(
  what: () => string,
  condition: () => boolean | Promise<boolean>,
  msMax = 30_000,
): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what()}`);
    await sleep(10);
  }
}

export const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`).then(
    async (answer) => {
      await answer.arrayBuffer();
      return answer.ok;
    },
    () => false,
  );
