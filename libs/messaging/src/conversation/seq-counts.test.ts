import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeqCounts } from './seq-counts.ts';

/** Seqs that collide, and seqs that are far apart; a change takes one away when it is negative. */
const change = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.constantFrom(1e15, -1e15, 2 ** 32 + 1, -(2 ** 32) - 1),
);

describe('counted seqs', () => {
  it('tell how many are at or below any seq, as a plain list does', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 400, size: 'max' }),
        fc.array(fc.nat(1_100), { maxLength: 20 }),
        (changes, asked) => {
          const counts = new SeqCounts();
          const plain: number[] = [];
          for (const each of changes) {
            const seq = Math.abs(each);
            if (each >= 0) {
              counts.add(seq);
              plain.push(seq);
            } else {
              counts.remove(seq);
              if (plain.includes(seq)) plain.splice(plain.indexOf(seq), 1);
            }
          }
          expect(counts.distinct).toBe(new Set(plain).size);
          for (const seq of [...asked, 0, 1e15 - 1, 1e15, ...plain]) {
            expect([seq, counts.upTo(seq)]).toEqual([seq, plain.filter((each) => each <= seq).length]);
          }
        },
      ),
    );
  });

  it('stay right over many buckets, however they came and went', () => {
    const counts = new SeqCounts();
    const last = 20_000;
    // 7,919 has no divisor in common with 20,000: every seq comes once, in no order.
    for (let step = 0; step < last; step += 1) counts.add(((step * 7_919) % last) + 1);
    expect([1, 64, 9_999, last].map((seq) => counts.upTo(seq))).toEqual([1, 64, 9_999, last]);
    for (let seq = 1; seq <= last; seq += 2) counts.remove(seq);
    expect([1, 2, 64, 9_999, last].map((seq) => counts.upTo(seq))).toEqual([0, 1, 32, 4_999, last / 2]);
    for (let seq = 2; seq <= last; seq += 2) counts.remove(seq);
    expect([counts.distinct, counts.upTo(last)]).toEqual([0, 0]);
  });
});
