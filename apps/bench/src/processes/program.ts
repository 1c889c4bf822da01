import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { cpuMicrosOf } from '../measure/proc-stat.ts';

const CPU_LOOK_EVERY_MS = 100;
const NOTES_KEPT = 20;

export interface ProgramEnd {
  readonly code: number | null;
  /** The lines of its standard output. */
  readonly out: readonly string[];
  /** The last lines of its standard error. */
  readonly notes: readonly string[];
  /** CPU time that it took, as far as could be seen; null when it could not. */
  readonly cpuMicros: number | null;
}

/** Runs one of the project's programs to its end. */
export async function runProgram(options: {
  readonly bundle: string;
  readonly args: readonly string[];
  /** Told each line of its standard error. */
  readonly onNote: (line: string) => void;
  /** Told how to end it, should the bench be interrupted. */
  readonly onStop: (stop: () => Promise<void>) => void;
}): Promise<ProgramEnd> {
  const child = spawn(process.execPath, ['--enable-source-maps', options.bundle, ...options.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  options.onStop(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  const out: string[] = [];
  const notes: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => out.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => {
    notes.push(line);
    if (notes.length > NOTES_KEPT) notes.shift();
    options.onNote(line);
  });
  let cpuMicros: number | null = null;
  const watch = setInterval(() => {
    cpuMicros = cpuMicrosOf(child.pid ?? null) ?? cpuMicros;
  }, CPU_LOOK_EVERY_MS);
  try {
    return { code: await ended, out, notes, cpuMicros };
  } finally {
    clearInterval(watch);
  }
}
