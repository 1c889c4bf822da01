import { readFileSync, readdirSync } from 'node:fs';

/** The ids of all processes of this machine. */
export const processIds = (): readonly string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** The variables that a process was started with; none when it is gone, or not ours to look at. */
export function environmentOf(pid: string): ReadonlyMap<string, string> {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
  } catch {
    return new Map();
  }
}
