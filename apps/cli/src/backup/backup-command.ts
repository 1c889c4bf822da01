import { randomUUID } from 'node:crypto';
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { err, ok, systemClock, systemTimers, type Result } from '@millrace/kernel';
import { holdArchive, snapshotRedis } from '@millrace/redis-store';
import Database from 'libsql';
import { exitCode, type Args, type Command, type Context } from '../command.ts';
import { grouped } from '../progress.ts';
import { fileIn, MANIFEST, type BackupFile, type BackupManifest } from './backup-manifest.ts';
import { POSTGRES_HINT, privateUrl, storeOptions, storesOf, type Stores } from './stores.ts';

/** For how long nothing leaves the archive because of this backup, should it not come to its end. */
const HOLD_MS = 6 * 3_600_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Copies what Redis has, each master's into a file of its own. */
async function copyRedis(
  url: string,
  { redisDir }: Stores,
  dir: string,
): Promise<Result<BackupManifest['redis'], string>> {
  const taken = await snapshotRedis(url, systemTimers);
  if (!taken.ok) return err(`Redis: ${taken.error.message}`);
  const files: (BackupFile & { readonly slots: string | null })[] = [];
  for (const [index, { slots, file }] of taken.value.entries()) {
    const from = redisDir !== null && taken.value.length === 1 ? join(redisDir, basename(file)) : file;
    const name = taken.value.length === 1 ? 'redis.rdb' : `redis-${String(index + 1)}.rdb`;
    try {
      copyFileSync(from, join(dir, name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    } catch (error) {
      return err(
        `Redis has written ${file}, which cannot be read here (${messageOf(error)}): give --redis-dir, where this machine sees it.`,
      );
    }
    files.push({ ...(await fileIn(dir, name)), slots });
  }
  return ok(files);
}

/** Copies the file of the archive, as of one moment, while a server has it open. */
async function copyArchive(from: string, dir: string): Promise<Result<BackupFile | null, string>> {
  if (!existsSync(from)) return err(`There is no archive ${from}: name it with --archive, or none.`);
  const name = 'archive.sqlite';
  try {
    const database = new Database(from, { readonly: true });
    try {
      database.prepare('VACUUM INTO ?').run(join(dir, name));
    } finally {
      database.close();
    }
  } catch (error) {
    return err(`The archive ${from} cannot be copied: ${messageOf(error)}`);
  }
  return ok(await fileIn(dir, name));
}

/** Copies both, and has nothing leave the archive in between: what the copy of Redis names is in the other one, too. */
async function copyBoth(
  stores: Stores,
  dir: string,
  note: (step: string) => void,
): Promise<Result<Pick<BackupManifest, 'redis' | 'archive'>, string>> {
  const { redisUrl, redisPrefix: prefix, redisDir, archive: from, isPostgres } = stores;
  const url = redisUrl ?? (redisDir === null ? null : privateUrl(redisDir));
  if (url === null) return err('There is no Redis to copy: start the server, or name one with --redis-url.');
  const held = await holdArchive({ url, prefix, forMs: HOLD_MS, id: randomUUID() }, systemClock);
  if (!held.ok) return err(`Redis: ${held.error.message}`);
  note('Redis writes its data into a file.');
  // First Redis, then the archive: what has left Redis by then was in the archive before (I8).
  const redis = await copyRedis(url, stores, dir);
  if (from !== null && redis.ok) note('The archive is copied.');
  const archive = from === null || !redis.ok ? ok(null) : await copyArchive(from, dir);
  // A copy of PostgreSQL is yet to come: it ends by itself.
  const released = redis.ok && archive.ok && isPostgres ? ok('held' as const) : await held.value.release();
  if (!redis.ok) return redis;
  if (!archive.ok) return archive;
  if (!released.ok) return err(`Redis: ${released.error.message}`);
  if (released.value === 'held') return ok({ redis: redis.value, archive: archive.value });
  return err(
    'It took longer than six hours, so that the archive may have lost what the copy of Redis names: try again.',
  );
}

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  const [name, ...more] = args.words;
  if (name === undefined || more.length > 0) return told('backup needs the name of one DIR.', exitCode.misused);
  const stores = storesOf(args, environment);
  if (!stores.ok) return told(stores.error, exitCode.misused);
  const dir = resolve(name);
  if (existsSync(dir) && readdirSync(dir).length > 0)
    return told(`${dir} is not empty: give a new directory.`, exitCode.failed);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const at = new Date(systemClock.nowMs()).toISOString();
  const copied = await copyBoth(stores.value, dir, (step) => {
    terminal.note(step);
  });
  if (!copied.ok) return told(copied.error, exitCode.failed);
  const { redis, archive } = copied.value;
  const manifest: BackupManifest = { millrace: 'backup', version: 1, at, redis, archive };
  writeFileSync(join(dir, `${MANIFEST}.new`), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  renameSync(join(dir, `${MANIFEST}.new`), join(dir, MANIFEST));
  const bytes = [...redis, ...(archive === null ? [] : [archive])].map((each) => each.bytes);
  terminal.out(`backed up ${grouped(bytes.reduce((sum, each) => sum + each, 0))} bytes as of ${at} into ${dir}`);
  if (stores.value.isPostgres) terminal.note(POSTGRES_HINT.replace('DIR', dir));
  return exitCode.done;
}

export const backupCommand: Command = {
  name: 'backup',
  usage: 'DIR [options]',
  summary: 'Copies a whole deployment into a directory, while it runs',
  description: [
    'Copies what Redis holds, and then the archive: together they have everything that was acknowledged before it began, and ' +
      'what came meanwhile as far as it was there (docs/backup.md). The servers go on. It needs no server, but the files ' +
      'of Redis and of the archive. `millrace restore` puts it back.',
    'The directory holds every message: keep it as carefully as the deployment.',
  ],
  options: storeOptions,
  run,
};
