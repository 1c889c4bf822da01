import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IndexUnderTest } from '../../../conformance/index-under-test.ts';
import { valueOf } from '../../../conformance/messages.ts';
import { SqliteSearch, type SqliteSearchOptions } from '../sqlite-search.ts';

/** The threads' program, as `npm run build` and every test run make it. */
export const workerProgram = new URL('../../../../../../dist/search-worker.mjs', import.meta.url);

export async function openSqlite(directory: string, more: Partial<SqliteSearchOptions> = {}): Promise<SqliteSearch> {
  return valueOf(await SqliteSearch.open({ directory, program: workerProgram, ...more }));
}

/** An index in a directory of its own, which goes with it. */
export async function sqliteUnderTest(): Promise<IndexUnderTest & { readonly directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-search-'));
  let index = await openSqlite(directory);
  return {
    directory,
    get index() {
      return index;
    },
    async reopen() {
      await index.close();
      index = await openSqlite(directory);
      return index;
    },
    async close() {
      await index.close();
      rmSync(directory, { recursive: true });
    },
  };
}
