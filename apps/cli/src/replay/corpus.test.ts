import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parseUserId } from '@millrace/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCorpusLine } from './corpus-line.ts';
import { nameToId } from './name-to-id.ts';
import { readCorpus, summarizeCorpus } from './read-corpus.ts';

const BODY_BYTES_MAX = 100;
const good = { channel: 'ubuntu-2004', at: '2004-12-01T10:00:00Z', from: 'ada', text: 'hello' };
const parse = (value: unknown) => parseCorpusLine(JSON.stringify(value), 7, BODY_BYTES_MAX);

describe('a corpus line', () => {
  it('is read with its number and its time', () => {
    expect(parse(good)).toEqual({
      ok: true,
      value: { line: 7, channel: 'ubuntu-2004', atMs: Date.UTC(2004, 11, 1, 10), from: 'ada', text: 'hello' },
    });
  });

  it.each([
    ['not JSON', '{"channel":', /not JSON/],
    ['an array', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
  ])('that is %s is refused with its number', (_what, text, reason) => {
    const outcome = parseCorpusLine(text, 7, BODY_BYTES_MAX);
    expect(outcome.ok ? null : outcome.error).toEqual({ line: 7, reason: expect.stringMatching(reason) as string });
  });

  it.each([
    ['without a text', { ...good, text: undefined }, /"text" must be a string, got nothing/],
    ['with a number for a name', { ...good, from: 3 }, /"from" must be a string, got 3/],
    ['with an empty name', { ...good, from: '' }, /"from" is empty/],
    ['with an empty channel', { ...good, channel: '' }, /"channel" is empty/],
    ['with half a surrogate pair', { ...good, text: 'x\ud800' }, /half of a surrogate pair/],
    ['with a time without a zone', { ...good, at: '2004-12-01T10:00:00' }, /"at" must be a time/],
    ['with a day that is none', { ...good, at: '2004-13-41T10:00:00Z' }, /"at" must be a time/],
    ['with too long a text', { ...good, text: 'ä'.repeat(51) }, /"text" is 102 bytes/],
  ])('%s says what is wrong', (_what, value, reason) => {
    const outcome = parse(value);
    expect(outcome.ok ? '' : outcome.error.reason).toMatch(reason);
  });
});

describe('a name', () => {
  it('of plain letters is its own id', () => {
    expect(nameToId('Ada-1.x_~')).toBe('Ada-1.x_~');
  });

  it('with other characters is percent-encoded', () => {
    expect(nameToId("a b!'()*|é")).toBe('a%20b%21%27%28%29%2A%7C%C3%A9');
  });

  it('is a valid id whatever it is, and no two share one', () => {
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 90, unit: 'grapheme' }), (name) => {
        const id = nameToId(name);
        expect(parseUserId(id).ok).toBe(true);
        expect(seen.get(id ?? '') ?? name).toBe(name);
        seen.set(id ?? '', name);
      }),
    );
  });

  it('that is too long keeps its beginning and differs in its end', () => {
    const one = nameToId(`${'a'.repeat(80)}1`);
    const other = nameToId(`${'a'.repeat(80)}2`);
    expect(one).toHaveLength(64);
    expect(one?.startsWith('a'.repeat(47))).toBe(true);
    expect(one).not.toBe(other);
  });
});

describe('a corpus file', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-corpus-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  const text = `${JSON.stringify(good)}\nbroken\n${JSON.stringify({ ...good, text: '' })}\n`;
  const write = (name: string, bytes: string | Buffer): string => {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    return path;
  };
  const readAll = async (path: string): Promise<string[]> => {
    const seen: string[] = [];
    for await (const line of readCorpus(path, BODY_BYTES_MAX)) {
      seen.push(line.ok ? `${String(line.value.line)} ok` : `${String(line.error.line)} misfit`);
    }
    return seen;
  };

  it.each([
    ['plain', text],
    ['gzipped', gzipSync(text)],
  ])('is read when %s, and a bad line does not stop it', async (_form, bytes) => {
    const path = write('corpus', bytes);
    expect(await readAll(path)).toEqual(['1 ok', '2 misfit', '3 ok']);
    const summary = await summarizeCorpus(path);
    expect(summary.ok && summary.value.lines).toBe(3);
  });

  it('that was cut off is an error, not a shorter corpus', async () => {
    const whole = gzipSync(text.repeat(2000));
    const path = write('cut.gz', whole.subarray(0, whole.length - 40));
    await expect(readAll(path)).rejects.toThrow(/not a whole gzip file/);
    const summary = await summarizeCorpus(path);
    expect(summary.ok ? '' : summary.error).toMatch(/not a whole gzip file/);
  });

  it('that is not there is an error that names it', async () => {
    await expect(readAll(join(dir, 'none'))).rejects.toThrow(/There is no file .*none/);
  });
});
