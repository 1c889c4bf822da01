import { readFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time of a process, from the text of /proc/PID/stat, in microseconds: user and system.
 *
 * @returns null when the text is not that of a process.
 */
export function parseCpuMicros(stat: string): number | null {
  // The second field is a name in parentheses, and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const user = Number(fields[11]);
  const system = Number(fields[12]);
  if (!stat.includes(')') || !Number.isFinite(user) || !Number.isFinite(system)) return null;
  return ((user + system) * 1_000_000) / TICKS_PER_SECOND;
}

/** CPU time of a process so far, microseconds; null when it is not there, or not on Linux. */
export function cpuMicrosOf(pid: number | null): number | null {
  if (pid === null) return null;
  try {
    return parseCpuMicros(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return null;
  }
}

/** Of several processes together; null when there is none, or one of them cannot be seen. */
export function sumOver(pids: readonly number[], read: (pid: number) => number | null): number | null {
  let sum = pids.length === 0 ? null : 0;
  for (const pid of pids) {
    const value = read(pid);
    sum = sum === null || value === null ? null : sum + value;
  }
  return sum;
}

/** Resident memory of a process, bytes, from the text of /proc/PID/status. */
export function parseResidentBytes(status: string): number | null {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

export function residentBytesOf(pid: number | null): number | null {
  if (pid === null) return null;
  try {
    return parseResidentBytes(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch {
    return null;
  }
}
