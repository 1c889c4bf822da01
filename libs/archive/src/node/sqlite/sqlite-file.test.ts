import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { seededRandom, type Cancel, type Timers } from '@millrace/kernel';
import { scalarOf } from '@millrace/sqlite-file';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  append,
  chunkFrom,
  chunkOf,
  conversationId,
  read,
  room,
  valueOf,
  whole,
} from '../../conformance/a-conversation.ts';
import { openArchive } from './open-database.ts';
import { SqliteArchive } from './sqlite-archive.ts';
import { openSqlite, workerProgram } from './testing/a-file.ts';

let directory: string;
let path: string;
const open: SqliteArchive[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
  path = join(directory, 'below', 'archive.sqlite');
});

afterEach(async () => {
  for (const archive of open.splice(0)) await archive.close();
  rmSync(directory, { recursive: true });
});

async function opened(...args: Parameters<typeof openSqlite>): Promise<SqliteArchive> {
  const archive = await openSqlite(...args);
  open.push(archive);
  return archive;
}

const refusal = async (file: string, program = workerProgram) => {
  const outcome = await SqliteArchive.open({ path: file, program });
  if (outcome.ok) open.push(outcome.value);
  return outcome.ok ? null : outcome.error;
};

describe('an archive file', () => {
  it('is made with its directory, syncs each commit, and overwrites what is deleted', async () => {
    const archive = await opened(path);
    await append(archive, chunkFrom(1, 1, 5));
    await archive.close();
    // Bytes 68 to 71 of the head of a file are its application id.
    expect(readFileSync(path).subarray(68, 72).toString('latin1')).toBe('MRAR');
    const connection = valueOf(openArchive(join(directory, 'plain.sqlite'), 'a'.repeat(32)));
    const settings = ['journal_mode', 'synchronous', 'secure_delete', 'page_size'];
    expect(settings.map((name) => scalarOf(connection, `PRAGMA ${name}`))).toEqual(['wal', 2, 1, 8_192]);
    connection.close();
  });

  it('is opened once in a process, too', async () => {
    await opened(path);
    expect(await refusal(path)).toMatchObject({ code: 'in_use' });
  });

  it('that something else wrote is refused, and left as it is', async () => {
    const text = join(directory, 'notes.txt');
    writeFileSync(text, 'these are notes of somebody\n'.repeat(100));
    expect(await refusal(text)).toMatchObject({ code: 'not_an_archive' });
    expect(readFileSync(text, 'utf8')).toBe('these are notes of somebody\n'.repeat(100));
    const other = join(directory, 'other.sqlite');
    const database = new Database(other);
    database.exec('CREATE TABLE theirs (value TEXT)');
    database.close();
    expect(await refusal(other)).toMatchObject({ code: 'not_an_archive' });
  });

  it('of a newer program is refused, and left as it is', async () => {
    const archive = await opened(path);
    await append(archive, chunkFrom(1, 1, 5));
    await archive.close();
    const look = new Database(path);
    look.exec('PRAGMA user_version = 99');
    look.close();
    expect(await refusal(path)).toMatchObject({ code: 'too_new' });
  });

  it('that cannot be made is told as such, with what to do', async () => {
    const file = join(directory, 'a-file');
    writeFileSync(file, '');
    const error = await refusal(join(file, 'archive.sqlite'));
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(error?.message).toContain('archive.sqlite');
    const noProgram = await refusal(path, new URL('file:///nowhere/archive-worker.mjs'));
    expect(noProgram?.whatToDo).toContain('Build');
  });

  it('that is moved away takes nothing more: it would be lost with it', async () => {
    const archive = await opened(path);
    await append(archive, chunkFrom(1, 1, 5));
    renameSync(path, `${path}.moved`);
    const outcome = await archive.append([chunkFrom(1, 6, 9)]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(outcome.ok ? '' : outcome.error.message).toContain('moved');
    renameSync(`${path}.moved`, path);
    expect(await append(archive, chunkFrom(1, 6, 9))).toEqual(['stored']);
  });

  it('of which one page is overwritten refuses what it cannot read, and never answers with other entries', async () => {
    const archive = await opened(path);
    const random = seededRandom(7);
    const texts = Array.from({ length: 50 }, () => random.id() + random.id() + random.id());
    const rooms = Array.from({ length: 60 }, (_, index) => conversationId(`room-${String(index)}`));
    for (const name of rooms) await append(archive, chunkOf(1, 1, texts, name));
    await archive.close();
    const bytes = readFileSync(path);
    const pages = bytes.length / 8_192;
    bytes.fill(0xa5, 8_192 * (pages - 4), 8_192 * (pages - 3));
    writeFileSync(path, bytes);
    const again = await opened(path);
    let refused = 0;
    for (const name of rooms) {
      const page = await again.read(name, { ...whole, limit: 50, direction: 'forward' });
      if (page.ok) expect(page.value.map(({ data }) => new TextDecoder().decode(data))).toEqual(texts);
      else refused += 1;
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(rooms.length);
  });
});

describe('the threads of an archive file', () => {
  it('leave the event loop alone: it turns while they work', async () => {
    const archive = await opened(path);
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const rooms = Array.from({ length: 400 }, (_, index) => conversationId(`busy-${String(index)}`));
    const appended = archive.append(rooms.map((name) => chunkFrom(1, 1, 200, name)));
    const before = turns;
    await appended;
    isDone = true;
    expect(turns - before).toBeGreaterThan(20);
  });

  it('answer a page while an append is under way', async () => {
    const archive = await opened(path);
    await append(archive, chunkFrom(1, 1, 50));
    const order: string[] = [];
    const rooms = Array.from({ length: 500 }, (_, index) => conversationId(`busy-${String(index)}`));
    const appended = archive.append(rooms.map((name) => chunkFrom(1, 1, 200, name))).then(() => order.push('append'));
    const paged = read(archive).then(() => order.push('page'));
    await Promise.all([appended, paged]);
    expect(order).toEqual(['page', 'append']);
  });

  it('take so many calls and no more; one over it is told to come later (I9)', async () => {
    const archive = await opened(path, { limits: { pendingMax: 3 } });
    const answers = await Promise.all(Array.from({ length: 8 }, () => archive.extent(room)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(3);
    for (const answer of answers)
      if (!answer.ok) expect(answer.error).toMatchObject({ code: 'unavailable', retry: 'backoff' });
    expect((await archive.extent(room)).ok).toBe(true);
  });

  it('are given up when they do not answer in time, and go on', async () => {
    const due: (() => void)[] = [];
    const timers: Timers = {
      after: (_, callback): Cancel => {
        due.push(callback);
        return () => due.splice(due.indexOf(callback), 1);
      },
      soon: setImmediate,
    };
    const archive = await opened(path, { timers });
    const appended = archive.append([chunkFrom(1, 1, 50)]);
    for (const callback of [...due]) callback();
    expect(await appended).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    // It had been sent: as the port says, it may have happened, and the same again is a success.
    expect(valueOf(await archive.append([chunkFrom(1, 1, 50)]))).toMatchObject([{ ok: true }]);
    expect(due).toEqual([]);
  });
});
