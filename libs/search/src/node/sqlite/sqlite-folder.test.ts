import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { fromUtf8 } from '@millrace/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  apply,
  conversationId,
  found,
  nameOf,
  partition,
  put,
  queryOf,
  remove,
  seen,
  valueOf,
} from '../../conformance/messages.ts';
import type { SearchIndex } from '../../search-index.ts';
import { MemorySearch } from '../../testing/memory-search.ts';
import { SqliteSearch } from './sqlite-search.ts';
import { openSqlite, workerProgram } from './testing/a-folder.ts';

let directory: string;
const open: SqliteSearch[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-search-'));
});

afterEach(async () => {
  for (const index of open.splice(0)) await index.close();
  rmSync(directory, { recursive: true });
});

async function opened(path = directory): Promise<SqliteSearch> {
  const index = await openSqlite(path);
  open.push(index);
  return index;
}

const refusal = async (path: string, program = workerProgram) => {
  const outcome = await SqliteSearch.open({ directory: path, program });
  if (outcome.ok) open.push(outcome.value);
  return outcome.ok ? null : outcome.error;
};

const files = (): readonly string[] => readdirSync(directory).filter((name) => name.endsWith('.sqlite'));
const onlyFile = (): string => {
  const [name] = files();
  if (name === undefined) throw new Error('there is a version');
  return join(directory, name);
};

describe('the directory of an index', () => {
  it('is made, has one version, and after a rebuild the other one alone', async () => {
    const index = await opened(join(directory, 'below', 'index'));
    await apply(index, [put(1, 'kettle')]);
    const there = (): readonly string[] =>
      readdirSync(join(directory, 'below', 'index')).filter((name) => name.endsWith('.sqlite'));
    const [former] = there();
    valueOf(await index.beginRebuild());
    expect(there().length).toBe(2);
    valueOf(await index.beginRebuild());
    expect(there().length).toBe(2);
    valueOf(await index.finishRebuild());
    expect(there().length).toBe(1);
    expect(there()).not.toContain(former);
  });

  it('is opened once, in this process and in others', async () => {
    await opened();
    const error = await refusal(directory);
    expect(error).toMatchObject({ code: 'in_use' });
    expect(error?.message).toContain(`process ${String(process.pid)}`);
    expect(error?.whatToDo).toContain('Typesense');
  });

  it('of a newer program, or whose file something else wrote, is refused and left as it is', async () => {
    const index = await opened();
    await apply(index, [put(1, 'kettle')]);
    await index.close();
    const file = onlyFile();
    const look = new Database(file);
    look.exec('PRAGMA user_version = 99');
    look.close();
    expect(await refusal(directory)).toMatchObject({ code: 'too_new' });
    writeFileSync(file, 'these are notes of somebody\n'.repeat(400));
    expect(await refusal(directory)).toMatchObject({ code: 'not_an_index' });
    expect(readFileSync(file, 'utf8')).toBe('these are notes of somebody\n'.repeat(400));
  });

  it('without a program for its threads, or that cannot be made, is told as such', async () => {
    writeFileSync(join(directory, 'a-file'), '');
    expect(await refusal(join(directory, 'a-file'))).toMatchObject({ code: 'unavailable' });
    const noProgram = await refusal(directory, new URL('file:///nowhere/search-worker.mjs'));
    expect(noProgram?.whatToDo).toContain('Build');
  });

  it('whose names are gone begins anew, and removes what nobody knows any more', async () => {
    const index = await opened();
    await apply(index, [put(1, 'kettle')]);
    await index.close();
    const former = onlyFile();
    rmSync(join(directory, 'versions.json'));
    const again = await opened();
    expect(await found(again, 'kettle')).toEqual([]);
    expect(valueOf(await again.cursor(partition))).toBe(null);
    expect(existsSync(former)).toBe(false);
  });

  it('whose file is damaged says so, and what to do', async () => {
    const index = await opened();
    await apply(
      index,
      Array.from({ length: 500 }, (_, at) => put(at + 1, `kettle ${String(at)} ${'tea '.repeat(20)}`)),
    );
    await index.close();
    const bytes = readFileSync(onlyFile());
    bytes.fill(0xa5, 8_192);
    writeFileSync(onlyFile(), bytes);
    const outcome = await SqliteSearch.open({ directory, program: workerProgram });
    const error = outcome.ok ? await outcome.value.search(queryOf({ text: 'kettle' })) : outcome;
    if (outcome.ok) open.push(outcome.value);
    expect(error).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(error.ok ? '' : error.error.whatToDo).toContain('made anew');
  });

  it('that is removed under way takes nothing more: it would be lost with it', async () => {
    const index = await opened();
    await apply(index, [put(1, 'kettle')]);
    rmSync(onlyFile());
    const batch = { partition, after: 'whatever', cursor: 'b', changes: [], through: [] };
    expect(await index.apply(batch)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });

  it('has no word any more of what was removed, once it is purged', async () => {
    const index = await opened();
    await apply(index, [put(1, 'cucumber sandwich'), put(2, 'kettle')]);
    await apply(index, [remove(1, 1)]);
    valueOf(await index.purge());
    await index.close();
    const bytes = readFileSync(onlyFile()).toString('latin1');
    expect(bytes).toContain('kettle');
    expect(bytes).not.toContain('cucumber');
    expect(bytes).not.toContain('sandwich');
  });

  it('never holds a text', async () => {
    const index = await opened();
    await apply(index, [put(1, 'first second third')]);
    await index.close();
    const bytes = readFileSync(onlyFile());
    expect(bytes.toString('latin1')).not.toContain('first second');
    expect(() => fromUtf8(bytes)).toThrow();
  });
});

describe('a search', () => {
  it('finds the same whichever way the index of words is asked: for each range, or for all', async () => {
    const index = await opened();
    const model = new MemorySearch();
    const rooms = Array.from({ length: 60 }, (_, at) => conversationId(`room-${String(at)}`));
    const changes = rooms.flatMap((conversation, at) =>
      Array.from({ length: 100 }, (_, seq) =>
        put(seq + 1, `common ${seq % 10 === 0 ? 'some ' : ''}${seq === at ? 'rare 稀有' : '常见'} word`, {
          conversation,
          at: (seq * 7 + at) % 500,
        }),
      ),
    );
    for (const side of [index, model] as readonly SearchIndex[]) {
      for (let from = 0; from < changes.length; from += 1_000) await apply(side, changes.slice(from, from + 1_000));
    }
    const scopes = [
      rooms.map((room, at) =>
        seen(
          room,
          [
            [1 + at, 40 + at],
            [90, 99],
          ],
          [50],
        ),
      ),
      rooms.slice(3, 6).map((room) => seen(room, [[1, 50]])),
    ];
    for (const scope of scopes) {
      for (const text of ['some word', '稀有', '常见 com', 'word common']) {
        for (const sort of ['time', 'relevance'] as const) {
          const query = queryOf({ scope, text, sort, limit: 100, facets: true });
          const [page, expected] = [valueOf(await index.search(query)), valueOf(await model.search(query))];
          expect([page.total, page.facets]).toEqual([expected.total, expected.facets]);
          const times = (all: typeof page) => all.hits.map(({ at }) => at);
          expect(times(page)).toEqual(times(expected));
          if (page.total <= 100) expect(page.hits.map(nameOf).sort()).toEqual(expected.hits.map(nameOf).sort());
        }
      }
    }
  }, 120_000);

  it('is answered while a batch is under way, and the event loop turns', async () => {
    const index = await opened();
    await apply(index, [put(1, 'kettle')]);
    const order: string[] = [];
    const many = Array.from({ length: 1_000 }, (_, at) => put(at + 2, `word${String(at)} `.repeat(40)));
    const applied = apply(index, many).then(() => order.push('batch'));
    const searched = found(index, 'kettle').then(() => order.push('search'));
    await Promise.all([applied, searched]);
    expect(order).toEqual(['search', 'batch']);
  });
});
