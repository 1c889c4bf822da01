import { readFileSync } from 'node:fs';
import type { MillraceProcess } from './millrace-process.ts';
import { until } from './until.ts';

/** Resident memory of a process, as Linux tells it, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${String(pid)} has no resident memory`);
  return Number(kib) * 1_024;
}

export const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;

const told = /^kept bytes: (\d+)$/gm;
const tells = `
  import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  import { isMainThread } from 'node:worker_threads';
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  if (isMainThread) process.on('SIGUSR2', () => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    process.stderr.write('\\nkept bytes: ' + (heapUsed + external) + '\\n');
  });
`;

/** The environment in which a server can be asked for its {@link keptBytes}. */
export const askableForMemory = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tells)}` };

/**
 * What the main thread of a server keeps, in bytes: behind a collection, thus without what is garbage by now, which is
 * what resident memory has most of. The server was started with {@link askableForMemory}.
 */
export async function keptBytes(server: MillraceProcess): Promise<number> {
  const answers = (): number[] => [...server.log().matchAll(told)].map(([, bytes]) => Number(bytes));
  const before = answers().length;
  process.kill(server.pid, 'SIGUSR2');
  await until('the server tells what it keeps', () => answers().length > before);
  return answers().at(-1) ?? Infinity;
}
