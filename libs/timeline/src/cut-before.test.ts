import { generation, sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advanced,
  cursorStatus,
  cutBefore,
  decodeHead,
  emptyHead,
  encodeHead,
  generationOf,
  inGeneration,
  keptFrom,
  numberedSpans,
  spansOf,
  type TimelineHead,
} from './head.ts';

const seq = sequenceId;
const gen = generation;

/** A head over generations with so many entries each. */
const headOf = (counts: readonly number[]): TimelineHead =>
  counts.reduce((head, count, index) => advanced(inGeneration(head, gen(index + 1)), count), emptyHead(gen(1)));

describe('a head whose first entries are gone', () => {
  it('tells where it begins, in whichever generation, and goes on as before', () => {
    const cut = cutBefore(headOf([3, 0, 4, 2]), seq(6));
    expect(keptFrom(cut)).toBe(6);
    expect(spansOf(cut)).toEqual([
      { gen: 3, first: 6, last: 7 },
      { gen: 4, first: 8, last: 9 },
    ]);
    expect(generationOf(cut, seq(5))).toBeNull();
    expect(generationOf(cut, seq(6))).toBe(3);
    expect(numberedSpans(cut)).toEqual([
      { gen: 1, first: 1, last: 3 },
      { gen: 3, first: 4, last: 7 },
      { gen: 4, first: 8, last: 9 },
    ]);
  });

  it('may have none left, and begins with the next one', () => {
    const cut = cutBefore(headOf([3, 4]), seq(100));
    expect(spansOf(cut)).toEqual([]);
    expect(keptFrom(cut)).toBe(8);
    const on = advanced(cut, 1);
    expect(keptFrom(on)).toBe(8);
    expect(spansOf(on)).toEqual([{ gen: 2, first: 8, last: 8 }]);
  });

  it('of any kind knows the same entries as before but for those, and the same cursors, and is stored as it is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 3 }),
        (counts, cuts) => {
          const whole = headOf(counts);
          const cut = cuts.reduce((head, first) => cutBefore(head, seq(first)), whole);
          const first = Math.min(Math.max(...cuts), whole.seq + 1);
          expect(cut.seq).toBe(whole.seq);
          expect(keptFrom(cut)).toBe(first);
          expect(decodeHead(encodeHead(cut))).toEqual(cut);
          expect(numberedSpans(cut)).toEqual(spansOf(whole));
          for (let at = 1; at <= whole.seq + 1; at += 1) {
            expect(generationOf(cut, seq(at))).toBe(at < first ? null : generationOf(whole, seq(at)));
            for (let of = 1; of <= counts.length + 1; of += 1) {
              const cursor = { gen: gen(of), seq: seq(at) };
              expect(cursorStatus(cut, cursor)).toEqual(cursorStatus(whole, cursor));
            }
          }
        },
      ),
    );
  });
});
