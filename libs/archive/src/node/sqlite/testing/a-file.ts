import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { valueOf } from '../../../conformance/a-conversation.ts';
import type { DamageableArchive } from '../../../conformance/archive-under-test.ts';
import { damagedBytes } from '../../testing/damaged-bytes.ts';
import { SqliteArchive, type SqliteArchiveOptions } from '../sqlite-archive.ts';

/** The threads' program, as `npm run build` and every test run make it. */
export const workerProgram = new URL('../../../../../../dist/archive-worker.mjs', import.meta.url);

export async function openSqlite(path: string, more: Partial<SqliteArchiveOptions> = {}): Promise<SqliteArchive> {
  return valueOf(await SqliteArchive.open({ path, program: workerProgram, ...more }));
}

/** An archive in a file of its own, which goes with it. */
export async function sqliteUnderTest(): Promise<DamageableArchive> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
  const path = join(directory, 'archive.sqlite');
  let archive = await openSqlite(path);
  return {
    get archive() {
      return archive;
    },
    async reopen() {
      await archive.close();
      archive = await openSqlite(path);
      return archive;
    },
    async close() {
      await archive.close();
      rmSync(directory, { recursive: true });
    },
    async damage({ conversation, gen, first }, damage) {
      const connection = new Database(path);
      const [row] = connection
        .prepare(
          `SELECT chunk.id, bytes FROM chunk JOIN span ON span.id = chunk.span
           WHERE conversation = ? AND gen = ? AND chunk.first = ?`,
        )
        .all(conversation, gen, first) as { readonly id: number; readonly bytes: ArrayBuffer }[];
      if (row === undefined) throw new Error('there is no such chunk to damage');
      const bytes = damagedBytes({ conversation, gen, first }, new Uint8Array(row.bytes), damage);
      if (bytes === null) connection.prepare('DELETE FROM chunk WHERE id = ?').run(row.id);
      else connection.prepare('UPDATE chunk SET bytes = ? WHERE id = ?').run(bytes, row.id);
      connection.close();
    },
    async storedBytes() {
      return Buffer.concat([path, `${path}-wal`].map((file) => readFileSync(file)));
    },
  };
}
