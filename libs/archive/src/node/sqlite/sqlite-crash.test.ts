import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bundledProgram } from '@millrace/sqlite-file/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBatches } from '../../testing/steady-appends.ts';
import { SqliteArchive } from './sqlite-archive.ts';
import { openSqlite, workerProgram } from './testing/a-file.ts';

let program: Awaited<ReturnType<typeof bundledProgram>>;
let directory: string;
let child: ChildProcess | undefined;

beforeAll(async () => {
  program = await bundledProgram('libs/archive/src/node/sqlite/testing/appending-process.ts');
  directory = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
});

afterAll(() => {
  child?.kill('SIGKILL');
  program.remove();
  rmSync(directory, { recursive: true });
});

/** Starts the appending process and answers when it has confirmed `count` batches (0: when it has opened the file). */
async function untilConfirmed(path: string, first: number, count: number): Promise<{ confirmed: () => number }> {
  child = spawn(process.execPath, [program.file, path, fileURLToPath(workerProgram), String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('the process has no output');
  let confirmed = first - 1;
  const reached = new Promise<void>((resolve, reject) => {
    if (child?.stdout) {
      createInterface(child.stdout).on('line', (line) => {
        confirmed = Math.max(confirmed, Number(line));
        if (confirmed >= first - 1 + count) resolve();
      });
    }
    child?.once('exit', () => {
      reject(new Error('the process ended by itself'));
    });
  });
  await reached;
  return { confirmed: () => confirmed };
}

async function killed(): Promise<void> {
  if (child === undefined) throw new Error('there is a process to kill');
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

describe('a process that writes the archive file', () => {
  it('and is killed in the middle leaves all that it confirmed, and the rest whole or not at all (I8)', async () => {
    const path = join(directory, 'killed.sqlite');
    let next = 1;
    for (const count of [1, 7, 40]) {
      const { confirmed } = await untilConfirmed(path, next, count);
      await killed();
      const archive = await openSqlite(path);
      const former = next;
      next = await checkBatches(archive, confirmed());
      expect(next).toBeGreaterThan(former);
      await archive.close();
    }
  });

  it('keeps every other one out for as long as it lives, and no longer', async () => {
    const path = join(directory, 'held.sqlite');
    await untilConfirmed(path, 1, 0);
    const second = await SqliteArchive.open({ path, program: workerProgram });
    expect(second).toMatchObject({ ok: false, error: { code: 'in_use' } });
    expect(second.ok ? '' : second.error.message).toContain(`process ${String(child?.pid)}`);
    expect(second.ok ? '' : second.error.whatToDo).toContain('PostgreSQL');
    await killed();
    const third = await openSqlite(path);
    expect((await third.health()).ok).toBe(true);
    await third.close();
  });
});
