import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { err, ok, type Result } from '@millrace/kernel';
import { codeOf } from './sqlite-errors.ts';

export type Connection = ReturnType<typeof Database>;

/** How a file is laid out, and who it belongs to. */
export interface Layout {
  /** Written into the head of the file, where `file` and others read whose it is. */
  readonly applicationId: number;
  /**
   * The steps from an empty file to the layout of now; `user_version` counts those that were taken. A step that was
   * released is never changed: what comes next is a further one.
   */
  readonly migrations: readonly string[];
  readonly pageBytes: number;
  /** `FULL`: what is committed survives a power loss. `NORMAL`: of the last commits, all before some moment do. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Further statements for the connection that writes. */
  readonly pragmas?: string;
  /** Writes what a new file begins with, in the transaction of the first step. */
  begin(connection: Connection): void;
}

/** Why a file is not opened: somebody else's, or of a newer program. Nothing in it was changed. */
export type LayoutRefusal =
  { readonly code: 'foreign' } | { readonly code: 'too_new'; readonly found: number; readonly known: number };

/** How long a connection waits for another one of this process, or for a backup that reads the file. */
const BUSY_MS_MAX = 5_000;
const CACHE_KIB = 16_384;

/** The first column of the first row. */
export function scalarOf(connection: Connection, sql: string): unknown {
  return connection.prepare(sql).pluck().all()[0];
}

/** Does the work in one transaction; what it throws leaves nothing of it. */
export function within<T>(connection: Connection, begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T): T {
  connection.exec(begin);
  try {
    const value = work();
    connection.exec('COMMIT');
    return value;
  } catch (error) {
    // SQLite has rolled back already behind some errors (disk full); a second time would hide the first one.
    if (connection.inTransaction) connection.exec('ROLLBACK');
    throw error;
  }
}

function migrate(connection: Connection, layout: Layout): Result<void, LayoutRefusal> {
  const { applicationId, migrations } = layout;
  const version = Number(scalarOf(connection, 'PRAGMA user_version'));
  const found = Number(scalarOf(connection, 'PRAGMA application_id'));
  const isEmpty = Number(scalarOf(connection, 'SELECT count(*) FROM sqlite_schema')) === 0;
  if (found !== applicationId && !(isEmpty && found === 0)) return err({ code: 'foreign' });
  if (version > migrations.length) return err({ code: 'too_new', found: version, known: migrations.length });
  for (const [index, statements] of migrations.entries()) {
    if (index < version) continue;
    connection.exec('BEGIN IMMEDIATE');
    connection.exec(statements);
    if (index === 0) layout.begin(connection);
    connection.exec(
      `PRAGMA application_id = ${String(applicationId)}; PRAGMA user_version = ${String(index + 1)}; COMMIT`,
    );
  }
  return ok(undefined);
}

/** Makes the names of new files as durable as what is in them. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Opens the file as the one who writes it, makes it when it is missing, and brings its layout up to date. */
export function openWriter(path: string, layout: Layout): Result<Connection, LayoutRefusal> {
  const connection = new Database(path);
  try {
    connection.exec(`PRAGMA busy_timeout = ${String(BUSY_MS_MAX)}; PRAGMA page_size = ${String(layout.pageBytes)}`);
    // A log beside the file: readers do not wait for the writer.
    connection.pragma('journal_mode = WAL');
    connection.exec(`PRAGMA synchronous = ${layout.synchronous}; ${layout.pragmas ?? ''}`);
    const migrated = migrate(connection, layout);
    if (!migrated.ok) {
      connection.close();
      return migrated;
    }
    syncDirectory(dirname(path));
    return ok(connection);
  } catch (error) {
    connection.close();
    if (codeOf(error) === 'SQLITE_NOTADB') return err({ code: 'foreign' });
    throw error;
  }
}

/** Opens a file that the writer has opened, to read beside it. */
export function openReader(path: string): Connection {
  const connection = new Database(path);
  connection.exec(
    `PRAGMA busy_timeout = ${String(BUSY_MS_MAX)}; PRAGMA query_only = ON; PRAGMA cache_size = -${String(CACHE_KIB)}`,
  );
  return connection;
}
