import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/** A process that has ended but was not reaped by its parent still answers to signal 0: a zombie is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const state = statFieldsOf(pid)?.[0];
  return state !== 'Z' && state !== 'X';
}

/** The fields of /proc/PID/stat from the state on, or undefined where there is no /proc. */
function statFieldsOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/**
 * Tells one process from a later one with the same pid: the start time in kernel ticks, from /proc, or from `ps`
 * where there is none. Undefined when the process is gone.
 */
export function startMarkOf(pid: number): string | undefined {
  const startTicks = statFieldsOf(pid)?.[19];
  if (startTicks !== undefined) return startTicks;
  return psField(pid, 'lstart=');
}

/** What a process says it is: its command line. */
export function commandLineOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return psField(pid, 'command=');
  }
}

/** Where a process works, or undefined where there is no /proc, or it is not ours to see. */
export function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${String(pid)}/cwd`);
  } catch {
    return undefined;
  }
}

function psField(pid: number, field: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', field, '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}
