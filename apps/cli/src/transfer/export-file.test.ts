import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExportFile } from './export-file.ts';
import { NO_ENTRIES } from './line-chain.ts';
import { headerLine, headerProblem, type Line } from './file-lines.ts';

const PAGES = 60;
const pageOf = (number: number): readonly Line[] =>
  Array.from({ length: 100 }, (_, index) => ({ seq: number * 100 + index, body: `☃ ${'x'.repeat(700)}` }));

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-export-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function opened(path: string, replaces = false): Promise<ExportFile> {
  const file = await ExportFile.open(path, 'deployment', replaces);
  if (!file.ok) throw new Error(file.error);
  return file.value;
}

/** Writes the pages from where the file stands, and ends it, or leaves it as it is at one of them. */
async function write(path: string, stopAt = PAGES): Promise<void> {
  const file = await opened(path);
  for (let page = Number(file.mark.cursor ?? 0); page < stopAt; page += 1) {
    const stands = { conversations: 0, messages: page, conversation: 'g', last: null, chain: NO_ENTRIES };
    await file.write(pageOf(page), { ...stands, cursor: String(page + 1) });
  }
  if (stopAt === PAGES) await file.end();
  await file.close();
}

describe.each(['plain.jsonl', 'small.jsonl.gz'])('an export into %s', (name) => {
  it('comes to the same bytes, however often it was left in the middle', async () => {
    const [whole, broken] = [join(dir, `whole-${name}`), join(dir, `broken-${name}`)];
    await write(whole);
    for (const stopAt of [1, 20, 23, 59]) {
      await write(broken, stopAt);
      // Behind the mark stands what a process left that was killed.
      if (existsSync(`${broken}.progress`))
        writeFileSync(broken, Buffer.concat([readFileSync(broken), Buffer.from('half a li')]));
    }
    await write(broken);
    expect(readFileSync(broken).equals(readFileSync(whole))).toBe(true);
    const data = readFileSync(whole);
    const text = (name.endsWith('.gz') ? gunzipSync(data) : data).toString('utf8');
    const seqs = text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Line)['seq']);
    expect(seqs).toEqual(Array.from({ length: PAGES * 100 }, (_, index) => index));
    expect(existsSync(`${whole}.progress`)).toBe(false);
  });

  it('writes over nothing that it was not told to', async () => {
    const path = join(dir, `whole-${name}`);
    expect(await ExportFile.open(path, 'deployment', false)).toMatchObject({ ok: false });
    await write(join(dir, `begun-${name}`), 40);
    const other = await ExportFile.open(join(dir, `begun-${name}`), 'conversation g', false);
    expect(other).toMatchObject({ ok: false, error: expect.stringContaining('another export') as string });
    const anew = await opened(path, true);
    expect([anew.mark.bytes, readFileSync(path).length]).toEqual([0, 0]);
    await anew.close();
  });
});

describe('the first line', () => {
  it('says whether this program can read the file', () => {
    expect(headerProblem(headerLine)).toBeNull();
    expect(headerProblem({ millrace: 'export', version: 2 })).toContain('newer');
    for (const line of [null, 7, {}, { channel: 'x' }]) expect(headerProblem(line)).toContain('"millrace":"export"');
  });
});
