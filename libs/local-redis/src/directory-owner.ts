import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import type { LocalRedisError } from './errors.ts';
import { isAlive, startMarkOf } from './process-life.ts';
import type { RedisEndpoint } from './resp.ts';

/** The Redis of a data directory, as its owner wrote it down. */
export interface RedisRecord {
  readonly pid: number;
  readonly endpoint: RedisEndpoint;
}

interface OwnerRecord {
  readonly ownerPid: number;
  readonly ownerStart: string;
  readonly redis: RedisRecord | null;
}

const fileOf = (dir: string): string => join(dir, 'owner.json');

function readOwner(dir: string): OwnerRecord | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(dir), 'utf8')) as OwnerRecord;
  } catch {
    // Missing, or cut short by a crash while it was written: either way nobody can show that it is theirs.
    return undefined;
  }
}

function ownerIsAlive(owner: OwnerRecord): boolean {
  return isAlive(owner.ownerPid) && startMarkOf(owner.ownerPid) === owner.ownerStart;
}

const thisOwner = (redis: RedisRecord | null): string =>
  JSON.stringify({ ownerPid: process.pid, ownerStart: startMarkOf(process.pid) ?? '', redis });

/**
 * Takes a data directory for this process.
 *
 * @returns the Redis that a dead owner has left behind there, if any; whether it still runs is for the caller to ask.
 */
export function takeDirectory(dir: string): Result<RedisRecord | null, LocalRedisError> {
  const former = readOwner(dir);
  if (former !== undefined && ownerIsAlive(former) && (former.redis === null || isAlive(former.redis.pid))) {
    return err(directoryInUse(dir, former));
  }
  if (existsSync(fileOf(dir))) rmSync(fileOf(dir), { force: true });
  try {
    // Exclusive creation: of two processes that start at once, one sees the other's file.
    const descriptor = openSync(fileOf(dir), 'wx');
    writeFileSync(descriptor, thisOwner(null));
    closeSync(descriptor);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return err(directoryInUse(dir, readOwner(dir)));
  }
  return ok(former?.redis ?? null);
}

/** Writes down which Redis serves the directory, by rename, so that a crash leaves the old or the new record. */
export function recordRedis(dir: string, redis: RedisRecord): void {
  const next = `${fileOf(dir)}.next`;
  writeFileSync(next, thisOwner(redis));
  renameSync(next, fileOf(dir));
}

export function leaveDirectory(dir: string): void {
  rmSync(fileOf(dir), { force: true });
}

function directoryInUse(dir: string, owner: OwnerRecord | undefined): LocalRedisError {
  return {
    code: 'directory_in_use',
    message: `${dir} is in use by process ${owner === undefined ? 'of an unknown id' : String(owner.ownerPid)}.`,
    whatToDo: 'Stop that Millrace first, or give this one another data directory.',
  };
}
