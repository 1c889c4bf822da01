import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linesOf, unreadable } from './lines-of-file.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-lines-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function read(
  name: string,
  data: Buffer,
): Promise<{ readonly lengths: readonly number[]; readonly why: string }> {
  const path = join(dir, name);
  writeFileSync(path, data);
  const lengths: number[] = [];
  try {
    for await (const line of linesOf(path)) lengths.push(line.length);
  } catch (error) {
    return { lengths, why: unreadable('it', error) };
  }
  return { lengths, why: '' };
}

describe('the lines of a file', () => {
  it('are read one by one, also long ones, gzipped or plain', async () => {
    const text = Buffer.from(`one\n${'☃'.repeat(200_000)}\nthree`);
    const lengths = [3, 200_000, 5];
    expect(await read('plain', text)).toEqual({ lengths, why: '' });
    expect(await read('gzipped', gzipSync(text))).toEqual({ lengths, why: '' });
  });

  it('are not held for ever where there is no line break: a small gzip file may hold any amount (I9)', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('{}\n'), Buffer.alloc(64 * 1024 * 1024, 'x')]));
    expect(bomb.length).toBeLessThan(100_000);
    const { lengths, why } = await read('bomb', bomb);
    expect([lengths, why]).toEqual([[2], expect.stringContaining('line 2 has more than 16777216 bytes')]);
  });
});
