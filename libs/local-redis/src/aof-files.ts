import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One file of the append-only log. Redis loads the base first, then the increments in order. */
export interface AofFile {
  readonly path: string;
  readonly kind: 'base' | 'increment';
  readonly sizeBytes: number;
}

const APPEND_DIRECTORY = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';

/**
 * The files that a restart would load, in load order; the last increment is the one that grows. History files,
 * which a rewrite has replaced, are left out.
 */
export function aofFilesOf(dataDirectory: string): readonly AofFile[] {
  const directory = join(dataDirectory, APPEND_DIRECTORY);
  const manifest = join(directory, MANIFEST);
  if (!existsSync(manifest)) return [];
  const files: AofFile[] = [];
  for (const line of readFileSync(manifest, 'utf8').split('\n')) {
    const entry = /^file (\S+) seq \d+ type ([bi])\b/.exec(line);
    const [, name, type] = entry ?? [];
    if (name === undefined) continue;
    const path = join(directory, name);
    files.push({ path, kind: type === 'b' ? 'base' : 'increment', sizeBytes: statSync(path).size });
  }
  return files.sort((one, other) => Number(one.kind === 'increment') - Number(other.kind === 'increment'));
}
