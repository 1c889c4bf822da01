import { constants, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import { describeLocalRedisError, startRedis } from '@millrace/local-redis';
import { markCopied } from '@millrace/redis-store';
import { exitCode, type Args, type Command, type Context } from '../command.ts';
import { readBackup, type BackupManifest } from './backup-manifest.ts';
import { storeOptions, storesOf } from './stores.ts';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LOG_DIR = 'appendonlydir';
const LOG_BASE = 'appendonly.aof.1.base.rdb';

/** Redis reads its log if there is one, and the other file only if not: the copy is made the beginning of the log. */
function placeRedis(from: string, redisDir: string): Result<null, string> {
  const isTaken = [LOG_DIR, 'dump.rdb'].map((name) => join(redisDir, name)).find((path) => existsSync(path));
  if (isTaken !== undefined) return err(`There is ${isTaken} already: move it away first, and end the server.`);
  try {
    mkdirSync(join(redisDir, LOG_DIR), { recursive: true, mode: 0o700 });
    copyFileSync(from, join(redisDir, LOG_DIR, LOG_BASE), constants.COPYFILE_FICLONE);
    const manifest = `file ${LOG_BASE} seq 1 type b\n`;
    writeFileSync(join(redisDir, LOG_DIR, 'appendonly.aof.manifest'), manifest);
    return ok(null);
  } catch (error) {
    return err(`${redisDir} cannot be written: ${messageOf(error)}`);
  }
}

/** Puts the copy into the directory of a private Redis, and marks it by a Redis that runs for that. */
async function restorePrivate(
  dir: string,
  redisDir: string,
  { redis }: BackupManifest,
): Promise<Result<number, string>> {
  const [file, ...others] = redis;
  if (file === undefined || others.length > 0)
    return err('It is of a Redis Cluster: load the files as docs/backup.md says, and give --redis-url.');
  const placed = placeRedis(join(dir, file.file), redisDir);
  if (!placed.ok) return placed;
  let started = await startRedis({ dir: redisDir, unixSocket: true });
  if (!started.ok && started.error.code === 'path_too_long') started = await startRedis({ dir: redisDir });
  if (!started.ok) return err(describeLocalRedisError(started.error));
  const marked = await markCopied(started.value.url, '');
  const stopped = await started.value.stop();
  if (!marked.ok) return err(`Redis: ${marked.error.message}`);
  return stopped.ok ? ok(marked.value) : err(describeLocalRedisError(stopped.error));
}

/** Marks what a Redis has loaded, which is given its files by whoever runs it. */
async function markLoaded(url: string, prefix: string): Promise<Result<number, string>> {
  const marked = await markCopied(url, prefix);
  if (!marked.ok) return err(`Redis: ${marked.error.message}`);
  if (marked.value > 0) return ok(marked.value);
  return err('This Redis holds nothing of a deployment: have it load the files of the backup first (docs/backup.md).');
}

function restoreArchive(dir: string, to: string, { archive }: BackupManifest): Result<null, string> {
  if (archive === null) return err('The backup has no archive: give --archive none, or put it back by its own means.');
  const isTaken = ['', '-wal', '-shm'].map((end) => to + end).find((path) => existsSync(path));
  if (isTaken !== undefined) return err(`There is ${isTaken} already: move it away first, and end the server.`);
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    copyFileSync(join(dir, archive.file), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return ok(null);
  } catch (error) {
    return err(`${to} cannot be written: ${messageOf(error)}`);
  }
}

async function run(args: Args, { terminal, environment }: Context): Promise<number> {
  const told = (text: string, code: number): number => {
    terminal.note(text);
    return code;
  };
  const [name, ...more] = args.words;
  const stores = storesOf(args, environment);
  if (!stores.ok) return told(stores.error, exitCode.misused);
  const { archive, redisUrl, redisPrefix, redisDir } = stores.value;
  if (name === undefined && redisUrl !== null) {
    const marked = await markLoaded(redisUrl, redisPrefix);
    if (!marked.ok) return told(marked.error, exitCode.failed);
    terminal.out(`marked ${String(marked.value)} partitions as put back`);
    return exitCode.done;
  }
  if (name === undefined || more.length > 0)
    return told('restore needs the name of one DIR, or --redis-url alone.', exitCode.misused);
  const dir = resolve(name);
  const manifest = await readBackup(dir);
  if (!manifest.ok) return told(manifest.error, exitCode.failed);
  const put = archive === null ? ok(null) : restoreArchive(dir, archive, manifest.value);
  if (!put.ok) return told(put.error, exitCode.failed);
  const redis =
    redisUrl === null
      ? await restorePrivate(dir, redisDir ?? '', manifest.value)
      : await markLoaded(redisUrl, redisPrefix);
  if (!redis.ok) {
    // So that the same command may be given again.
    if (archive !== null) rmSync(archive, { force: true });
    return told(redis.error, exitCode.failed);
  }
  terminal.out(`restored ${String(redis.value)} partitions as of ${manifest.value.at}`);
  return exitCode.done;
}

export const restoreCommand: Command = {
  name: 'restore',
  usage: '[DIR] [options]',
  summary: 'Puts a backup back, for servers that are started then',
  description: [
    'No server may run. The archive, and the private Redis of a development server, must not be there: they are made from the ' +
      'backup. Any other Redis is given its file by whoever runs it, and named here with --redis-url (docs/backup.md). Without DIR only that is ' +
      'marked: for a store and an archive that were put back by other means.',
    'Everything that was acknowledged behind the backup is gone, so the servers begin new generations: devices that are ' +
      'further are told where history ends now, and go on from there.',
  ],
  options: storeOptions,
  run,
};
