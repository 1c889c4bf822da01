import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory } from '@millrace/sqlite-file';

/** Which versions of the index a directory has, by name. */
export interface VersionNames {
  readonly live: string;
  /** What a rebuild fills. */
  readonly next: string | null;
}

const NAME = /^[0-9a-f]{32}$/;
const FILE = /^([0-9a-f]{32})\.sqlite$/;

const namesFile = (directory: string): string => join(directory, 'versions.json');

export const versionPath = (directory: string, name: string): string => join(directory, `${name}.sqlite`);

const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

/** @returns null when there are none yet, or what is there cannot be read: then the index is made anew. */
export function readNames(directory: string): VersionNames | null {
  try {
    const { live, next } = JSON.parse(readFileSync(namesFile(directory), 'utf8')) as Partial<Record<string, unknown>>;
    return isName(live) && (next === null || isName(next)) ? { live, next } : null;
  } catch {
    return null;
  }
}

/** By rename, at once: whoever reads sees the former names or these, also behind a crash. */
export function writeNames(directory: string, names: VersionNames): void {
  const draft = `${namesFile(directory)}.draft`;
  writeFileSync(draft, `${JSON.stringify(names)}\n`);
  const descriptor = openSync(draft, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(draft, namesFile(directory));
  syncDirectory(directory);
}

/** The files of versions that have no name any more. */
export function unnamedVersions(directory: string, { live, next }: VersionNames): readonly string[] {
  return readdirSync(directory).flatMap((file) => {
    const name = FILE.exec(file)?.[1];
    return name === undefined || name === live || name === next ? [] : [join(directory, file)];
  });
}
