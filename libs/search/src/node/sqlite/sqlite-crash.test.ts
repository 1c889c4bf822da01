import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bundledProgram } from '@millrace/sqlite-file/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageOf, partition, room, valueOf } from '../../conformance/messages.ts';
import { BATCH } from '../../testing/steady-batches.ts';
import { openSqlite, workerProgram } from './testing/a-folder.ts';

let program: Awaited<ReturnType<typeof bundledProgram>>;
let directory: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  program = await bundledProgram('libs/search/src/node/sqlite/testing/indexing-process.ts');
  directory = mkdtempSync(join(tmpdir(), 'millrace-search-'));
});

afterAll(() => {
  child?.kill('SIGKILL');
  program.remove();
  rmSync(directory, { recursive: true });
});

/** Starts the indexing process, lets it confirm `count` batches, kills it, and answers what it had confirmed. */
async function killedAfter(first: number, count: number): Promise<number> {
  child = spawn(process.execPath, [program.file, directory, fileURLToPath(workerProgram), String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('the process has no output');
  const closed = once(child, 'close');
  let confirmed = first - 1;
  const lines = createInterface(child.stdout);
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      confirmed = Math.max(confirmed, Number(line));
      if (confirmed >= first - 1 + count) resolve();
    });
    child?.once('exit', () => {
      reject(new Error('the process ended by itself'));
    });
  });
  child.kill('SIGKILL');
  await closed;
  return confirmed;
}

describe('a process that indexes', () => {
  it('and is killed in the middle leaves whole batches, and its cursor says which', async () => {
    let next = 1;
    for (const count of [1, 5, 15]) {
      const confirmed = await killedAfter(next, count);
      const index = await openSqlite(directory);
      const cursor = Number(valueOf(await index.cursor(partition)));
      expect(cursor).toBeGreaterThanOrEqual(confirmed);
      expect((await pageOf(index, { text: 'kettle' })).total).toBe(cursor * BATCH);
      expect((await pageOf(index, { text: `batch${String(cursor)} ` })).total).toBe(BATCH);
      expect((await pageOf(index, { text: `batch${String(cursor + 1)} ` })).total).toBe(0);
      expect(valueOf(await index.indexedThrough([room]))).toEqual([{ gen: 1, seq: cursor * BATCH }]);
      await index.close();
      next = cursor + 1;
    }
  }, 120_000);
});
