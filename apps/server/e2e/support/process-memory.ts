import { readFileSync } from 'node:fs';

/** Resident memory of a process, as Linux tells it, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${String(pid)} has no resident memory`);
  return Number(kib) * 1_024;
}

export const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
