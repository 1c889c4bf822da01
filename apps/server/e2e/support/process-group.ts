import { isAlive } from '@millrace/local-redis';
import type { MillraceProcess } from './millrace-process.ts';

interface Line {
  readonly node: string;
  readonly msg: string;
  readonly process?: string;
  readonly pid?: number;
}

const linesOf = (server: MillraceProcess): readonly Line[] =>
  server
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

/** The processes below a server, by name, as its log tells them: the latest of each. */
export function pidsOf(server: MillraceProcess): ReadonlyMap<string, number> {
  const started = linesOf(server).filter(({ msg }) => msg === 'started a process');
  return new Map(started.map(({ process = '', pid = 0 }) => [process, pid]));
}

/** How often a process has said that it serves. */
export const servedTimes = (server: MillraceProcess, name: string): number =>
  linesOf(server).filter(({ node, msg }) => node === name && msg === 'the process serves').length;

/** Whether all of them have served since the server was started. */
export const allServe = (server: MillraceProcess): boolean =>
  linesOf(server).some(({ msg }) => msg === 'Millrace serves');

/** Of all that were ever started below it, those that still run. */
export const left = (server: MillraceProcess): readonly number[] =>
  linesOf(server).flatMap(({ msg, pid = 0 }) => (msg === 'started a process' && isAlive(pid) ? [pid] : []));
