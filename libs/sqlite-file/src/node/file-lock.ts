import { readFileSync, writeFileSync } from 'node:fs';
import Database from 'libsql';
import { err, ok, type Result } from '@millrace/kernel';
import { codeOf } from './sqlite-errors.ts';

/** Another process has it open, and only one may. */
export interface FileInUse {
  readonly code: 'in_use';
  /** Who has it: `process 4711`, or `another process`. */
  readonly owner: string;
}

const ownerFileOf = (path: string): string => `${path}.owner`;

/**
 * Holds a file for this process: an exclusive lock of SQLite on a file beside it, which the system lets go of when the
 * process ends, however it ends. Nothing else may open that file in this process.
 *
 * @returns how to let go of it.
 */
export function lockFile(path: string): Result<() => void, FileInUse> {
  const lock = new Database(`${path}.lock`);
  try {
    lock.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (codeOf(error) !== 'SQLITE_BUSY') throw error;
    return err({ code: 'in_use', owner: ownerOf(path) });
  }
  // For the message of the one who comes second, nothing else goes by it.
  writeFileSync(ownerFileOf(path), String(process.pid));
  return ok(() => {
    lock.close();
  });
}

function ownerOf(path: string): string {
  try {
    return `process ${String(Number(readFileSync(ownerFileOf(path), 'utf8')))}`;
  } catch {
    // It has the lock, and has not written yet who it is.
    return 'another process';
  }
}
