import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, utf8, type Cancel, type ConversationId, type Timers } from '@millrace/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  append,
  at,
  chunkFrom,
  chunkOf,
  conversationId,
  read,
  room,
  texts,
  valueOf,
  whole,
} from '../../conformance/a-conversation.ts';
import { anyCall, carryOut } from '../../conformance/property-suite.ts';
import { MemoryArchive } from '../../testing/memory-archive.ts';
import type { SqliteArchive } from './sqlite-archive.ts';
import { openSqlite, sqliteUnderTest } from './testing/a-file.ts';

const random = seededRandom(5);
let directory: string;
const open: SqliteArchive[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
});

afterEach(async () => {
  for (const archive of open.splice(0)) await archive.close();
  rmSync(directory, { recursive: true });
});

async function opened(more: Parameters<typeof openSqlite>[1] = {}): Promise<SqliteArchive> {
  const archive = await openSqlite(join(directory, `${String(open.length)}.sqlite`), more);
  open.push(archive);
  return archive;
}

const page = (archive: SqliteArchive, first: number, last: number) =>
  archive.read(room, { from: at(1, first), to: at(1, last), limit: 200, direction: 'forward' });

/** Of an archive whose threads take one call at a time: whether a page comes though that of the readers has one. */
async function comesFromMemory(archive: SqliteArchive, first: number, last: number): Promise<boolean> {
  const busy = archive.extent(room);
  const answer = await page(archive, first, last);
  valueOf(await busy);
  if (answer.ok) expect(answer.value).toHaveLength(last - first + 1);
  return answer.ok;
}

/** Ten chunks of fifty. */
const fiveHundred = Array.from({ length: 10 }, (_, index) => chunkFrom(1, 1 + 50 * index, 50 + 50 * index));

describe('a page that was read', () => {
  it('is in memory with what is around it, in its conversation alone, until something is changed there', async () => {
    const archive = await opened({ limits: { pendingMax: 1 } });
    await append(archive, ...fiveHundred, chunkFrom(1, 1, 50, conversationId('other')));
    expect(await comesFromMemory(archive, 301, 350)).toBe(false);
    valueOf(await page(archive, 301, 350));
    expect(await comesFromMemory(archive, 301, 350)).toBe(true);
    expect(await comesFromMemory(archive, 101, 300)).toBe(true);
    expect(await comesFromMemory(archive, 340, 500)).toBe(true);
    expect(await comesFromMemory(archive, 1, 50)).toBe(false);
    await append(archive, chunkFrom(1, 51, 60, conversationId('other')));
    expect(await comesFromMemory(archive, 101, 300)).toBe(true);
    valueOf(await archive.erase(room, [{ ...at(1, 500), tombstones: [utf8('gone')] }]));
    expect(await comesFromMemory(archive, 101, 300)).toBe(false);
  });

  it('is in memory only when that was asked for', async () => {
    const archive = await opened({ limits: { pendingMax: 1 }, cacheBytesMax: 0 });
    await append(archive, ...fiveHundred);
    valueOf(await page(archive, 301, 350));
    expect(await comesFromMemory(archive, 301, 350)).toBe(false);
  });

  it("is the caller's own: changing it changes no page that comes after", async () => {
    const archive = await opened({ limits: { pendingMax: 1 } });
    // One that is compressed, and one that is not.
    await append(archive, chunkOf(1, 1, ['a long text that comes again '.repeat(20)]), chunkOf(1, 2, ['short']));
    const before = await read(archive, { limit: 2 });
    for (let turn = 0; turn < 3; turn += 1) {
      for (const { data } of valueOf(await page(archive, 1, 2))) data.fill(0);
      expect(await comesFromMemory(archive, 1, 2)).toBe(true);
    }
    expect(await read(archive, { limit: 2 })).toEqual(before);
  });

  it('comes no more when the archive is closed', async () => {
    const archive = await opened();
    await append(archive, ...fiveHundred);
    valueOf(await page(archive, 301, 350));
    await archive.close();
    expect(await page(archive, 301, 350)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });

  it('of one entry keeps no more memory than a few times its own', async () => {
    const archive = await opened();
    await append(
      archive,
      chunkOf(
        1,
        1,
        Array.from({ length: 50 }, () => 'a text of some length '.repeat(10)),
      ),
    );
    for (let turn = 0; turn < 2; turn += 1) {
      const entry = valueOf(await archive.at(room, at(1, 7)));
      expect(entry?.data.buffer.byteLength).toBeLessThan(1_000);
    }
  });

  it.each([
    ['are many bytes', Array.from({ length: 3_000 }, () => random.id()).join(' ')],
    ['are many once they are unpacked', 'again '.repeat(30_000)],
  ])('is right, too, when its entries %s', async (_what, text) => {
    const archive = await opened();
    const chunks = Array.from({ length: 4 }, (_, index) => chunkOf(1, 1 + 3 * index, [text, 'x', text]));
    await append(archive, ...chunks);
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await read(archive, { limit: 200 })).toHaveLength(12);
      expect(await read(archive, { from: at(1, 2), limit: 1 })).toEqual(['1-2 x']);
      expect(await read(archive, { from: at(1, 4), limit: 1 })).toEqual([`1-4 ${text}`]);
    }
  });

  it('brings nothing of a damaged chunk beside it into an answer', async () => {
    const damageable = await sqliteUnderTest();
    const { archive } = damageable;
    await append(archive, ...fiveHundred.slice(0, 4));
    await damageable.damage(chunkFrom(1, 101, 150), { kind: 'bit flipped', atByte: 90 });
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await read(archive, { from: at(1, 51), to: at(1, 100), limit: 50 })).toHaveLength(50);
      const damaged = { ok: false, error: { code: 'damaged', chunk: { first: 101 } } };
      expect(await archive.read(room, { ...whole, limit: 120, direction: 'forward' })).toMatchObject(damaged);
      expect(await read(archive, { from: at(1, 151), limit: 50 })).toHaveLength(50);
    }
    // What is in memory of it does not count any more, either: the same bit again makes it sound.
    expect(await read(archive, { from: at(1, 51), to: at(1, 100), limit: 50 })).toHaveLength(50);
    await damageable.damage(chunkFrom(1, 101, 150), { kind: 'bit flipped', atByte: 90 });
    expect(await read(archive, { from: at(1, 101), to: at(1, 150), limit: 50 })).toHaveLength(50);
    await damageable.close();
  });
});

describe('a write that gave no answer in time', () => {
  it('is in every page as soon as a later one has an answer', async () => {
    const due: (() => void)[] = [];
    const timers: Timers = {
      after: (_, callback): Cancel => {
        due.push(callback);
        return () => due.splice(due.indexOf(callback), 1);
      },
      soon: setImmediate,
    };
    const archive = await opened({ timers });
    await append(archive, ...fiveHundred);
    valueOf(await page(archive, 1, 10));
    // So many that a page is read while it is under way.
    const tombstones = Array.from({ length: 500 }, () => utf8('gone'));
    const erased = archive.erase(room, [{ ...at(1, 1), tombstones }]);
    for (const callback of [...due]) callback();
    expect(await erased).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    valueOf(await page(archive, 1, 10));
    await append(archive, chunkFrom(1, 1, 5, conversationId('other')));
    const after = texts(valueOf(await page(archive, 1, 10)));
    expect(after).toEqual(Array.from({ length: 10 }, (_, index) => `1-${String(index + 1)} gone`));
  });
});

describe('whatever is called while others read', () => {
  it.each([{ cacheBytesMax: 4_000 }, {}])('is in every answer behind it, with %j', async (more) => {
    const archive = await opened(more);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyCall, { minLength: 1, maxLength: 25 }), async (calls) => {
        round += 1;
        const names = [0, 1].map((index) => conversationId(`c${String(round)}.${String(index)}`));
        const model = new MemoryArchive();
        let isDone = false;
        const reading = async (name: ConversationId): Promise<void> => {
          while (!isDone) {
            valueOf(await archive.read(name, { ...whole, limit: 100, direction: 'backward' }));
            // A page out of memory does not wait for anything.
            await new Promise(setImmediate);
          }
        };
        const readers = names.flatMap((name) => [reading(name), reading(name)]);
        try {
          for (const call of calls) {
            expect(await carryOut(archive, call, names)).toEqual(await carryOut(model, call, names));
            for (const name of names) {
              expect(await read(archive, { limit: 100 }, name)).toEqual(await read(model, { limit: 100 }, name));
            }
          }
        } finally {
          isDone = true;
          await Promise.all(readers);
        }
      }),
      { numRuns: 15 },
    );
  });
});
