import { generation } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { decodeIndexCursor, encodeIndexCursor, makingOf, wayOn, type IndexCursor } from './index-cursor.ts';

const cursor = (gen: number, commitNo: number, phase: IndexCursor['phase'] = 'followed'): IndexCursor => ({
  phase,
  gen: generation(gen),
  commitNo,
});
const standing = (gen: number, commitNo: number, trimmedTo = 0) => ({ gen: generation(gen), commitNo, trimmedTo });

describe('the cursor of an index', () => {
  it('is read back as it was written, and another program’s counts for nothing', () => {
    for (const each of [cursor(1, 0), cursor(3, 17, 'comparing'), cursor(2, 9_007_199_254_740_991, 'anew')]) {
      for (const making of [0, 1, 12]) {
        const text = encodeIndexCursor(each, making);
        expect(decodeIndexCursor(text)).toEqual(each);
        expect(makingOf(text)).toBe(making);
      }
    }
    expect(makingOf(null)).toBe(0);
    for (const text of [null, '', '1', '1-2-3', '1-2 else', 'batch-7']) expect(decodeIndexCursor(text)).toBeNull();
  });

  it.each([
    ['follows what comes behind it', cursor(1, 5), standing(1, 9), { kind: 'follow', after: 5 }],
    ['follows where all that was trimmed is in', cursor(1, 5), standing(1, 9, 5), { kind: 'follow', after: 5 }],
    ['compares when more was trimmed', cursor(1, 5), standing(1, 9, 6), { kind: 'compare', isAnew: false }],
    ['compares when there is none', null, standing(1, 9), { kind: 'compare', isAnew: false }],
    ['compares behind a loss', cursor(1, 5), standing(2, 9), { kind: 'compare', isAnew: false }],
    ['compares again', cursor(1, 5, 'comparing'), standing(1, 9), { kind: 'compare', isAnew: false }],
    [
      'forgets what is of a store that had come further',
      cursor(1, 10),
      standing(1, 9),
      { kind: 'compare', isAnew: true },
    ],
    ['forgets what is of a later generation', cursor(2, 3), standing(1, 9), { kind: 'compare', isAnew: true }],
    ['forgets on', cursor(1, 5, 'anew'), standing(1, 9), { kind: 'compare', isAnew: true }],
  ] as const)('%s', (_name, from, at, way) => {
    expect(wayOn(from, at)).toEqual(way);
  });
});
