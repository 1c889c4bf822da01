import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { footerLine, headerLine, type Line } from '../transfer/file-lines.ts';
import { linkBehindAll, NO_ENTRIES } from '../transfer/line-chain.ts';
import { checkExport } from './export-check.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-export-check-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

const entries: readonly Line[] = [1, 2, 3].map((seq) => ({ seq, at: 1, from: 'ann', body: `☃ ${String(seq)}` }));
const conversation = (id: string, lines: readonly Line[] = entries, more: Line = {}): readonly Line[] => [
  { conversation: id, first: 1, last: 3 },
  { member: 'ann', readSeq: 3 },
  { key: 'k', seq: 2 },
  ...lines,
  { end: id, last: 3, chain: linkBehindAll(NO_ENTRIES, entries), ...more },
];
const whole: readonly Line[] = [headerLine, ...conversation('a'), ...conversation('b'), footerLine(2)];

async function checked(lines: readonly (Line | string)[]) {
  const path = join(dir, 'export.jsonl');
  writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  const check = await checkExport(path, () => undefined);
  if (!check.ok) throw new Error(check.error);
  return check.value;
}

describe('a file of an export', () => {
  it('is whole as it was written, and is read by nobody else', async () => {
    const { conversations, faults, unbound } = await checked(whole);
    expect([faults, unbound]).toEqual([[], 0]);
    expect(conversations).toMatchObject([
      { conversation: 'a', entries: 3 },
      { conversation: 'b', entries: 3 },
    ]);
    // Of the entries alone: the same ones have the same link.
    expect(conversations[0]?.link).toBe(conversations[1]?.link);
    expect(
      (
        await checked([
          headerLine,
          ...conversation('a', []).slice(0, 3),
          { end: 'a', last: 0, chain: NO_ENTRIES },
          footerLine(1),
        ])
      ).faults,
    ).toEqual([]);
  });

  it.each<readonly [what: string, lines: readonly Line[]]>([
    ['changed', entries.map((line, index) => (index === 1 ? { ...line, body: 'other' } : line))],
    ['taken out', entries.slice(1)],
    ['put in', [...entries, { seq: 4, at: 1, from: 'ann', body: '' }]],
    ['put elsewhere', [...entries.slice(1), ...entries.slice(0, 1)]],
  ])('tells of the conversation in which an entry was %s, and of no other one', async (_what, lines) => {
    const { faults } = await checked([headerLine, ...conversation('a', lines), ...conversation('b'), footerLine(2)]);
    expect(faults).toEqual([expect.stringMatching(/^line \d+: the entries of a in this file are not those/)]);
  });

  it('tells that it was cut off, that a line is none, and which ends say nothing', async () => {
    expect((await checked(whole.slice(0, -1))).faults).toEqual([expect.stringContaining('it was cut off')]);
    expect((await checked(whole.slice(0, 4))).faults).toHaveLength(2);
    expect((await checked([...whole.slice(0, -1), 'no json', footerLine(2)])).faults).toEqual([
      expect.stringMatching(/^line \d+: this is no JSON object/),
    ]);
    expect((await checked([headerLine, ...conversation('a'), footerLine(2)])).faults).toEqual([
      expect.stringContaining('2 conversations were exported, and here are 1'),
    ]);
    const { faults, unbound } = await checked([
      headerLine,
      ...conversation('a').slice(0, -1),
      { end: 'a', last: 3 },
      footerLine(1),
    ]);
    expect([faults, unbound]).toEqual([[], 1]);
    await expect(checked([{ some: 'thing' }])).rejects.toThrow('line 1');
  });
});
