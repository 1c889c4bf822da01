import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';

/** A file of a backup, beside the manifest. */
export interface BackupFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a backup consists of. It is written last: a directory without it is none. */
export interface BackupManifest {
  readonly millrace: 'backup';
  readonly version: 1;
  /** ISO 8601: when the copy of Redis was begun. Everything that was acknowledged before is in the backup. */
  readonly at: string;
  /** Of each master; `slots` null for a Redis alone. */
  readonly redis: readonly (BackupFile & { readonly slots: string | null })[];
  /** Null where there is none, or where it is copied by its own means. */
  readonly archive: BackupFile | null;
}

export const MANIFEST = 'backup.json';

export async function fileIn(dir: string, file: string): Promise<BackupFile> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(dir, file)) as AsyncIterable<Buffer>) hash.update(chunk);
  return { file, bytes: statSync(join(dir, file)).size, sha256: hash.digest('hex') };
}

/** The manifest of a backup whose files are all as they were written. */
export async function readBackup(dir: string): Promise<Result<BackupManifest, string>> {
  const path = join(dir, MANIFEST);
  if (!existsSync(path)) return err(`There is no whole backup in ${dir}: it lacks ${MANIFEST}.`);
  let manifest: Partial<BackupManifest>;
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8')) as Partial<BackupManifest>;
  } catch {
    return err(`${path} is damaged.`);
  }
  const { millrace, version, redis } = manifest;
  if (millrace !== 'backup' || redis === undefined) return err(`${path} is not of a backup.`);
  if (version !== 1) return err(`${path} was written by a newer version of this program.`);
  const whole = manifest as BackupManifest;
  for (const written of [...whole.redis, ...(whole.archive === null ? [] : [whole.archive])]) {
    if (!existsSync(join(dir, written.file))) return err(`The backup lacks ${written.file}.`);
    const { sha256 } = await fileIn(dir, written.file);
    if (sha256 !== written.sha256) return err(`${written.file} of the backup is not what was written: it is damaged.`);
  }
  return ok(whole);
}
