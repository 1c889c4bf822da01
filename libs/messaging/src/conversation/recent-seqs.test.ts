import { sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecentSeqs } from './recent-seqs.ts';

describe('RecentSeqs', () => {
  it('keeps the last ones, and never changes one that others follow on, whichever is gone on with', () => {
    const steps = fc.array(fc.record({ from: fc.nat(), seq: fc.integer({ min: 1, max: 1_000_000 }) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), steps, (most, all) => {
        const known: { readonly kept: RecentSeqs; readonly is: readonly number[] }[] = [
          { kept: RecentSeqs.none, is: [] },
        ];
        for (const { from, seq } of all) {
          // Mostly the newest, as when nothing is refused; sometimes an earlier one, as when a batch was.
          const before = known[from % 4 === 0 ? from % known.length : known.length - 1];
          if (before === undefined) throw new Error('there is always one');
          const next = before.kept.followedBy(sequenceId(seq), most);
          known.push({ kept: next, is: [...before.is, seq].slice(-most) });
        }
        for (const { kept, is } of known) {
          expect([...kept]).toEqual(is);
          expect([kept.length, kept.last]).toEqual([is.length, is.at(-1)]);
          expect([-1, 0, is.length - 1, is.length].map((index) => kept.at(index))).toEqual([
            undefined,
            is[0],
            is.at(-1),
            undefined,
          ]);
          expect(kept.some((seq) => seq === is[0])).toBe(is.length > 0);
        }
      }),
    );
  });

  it('shares what it was made of with nobody', () => {
    const given = [1, 2].map(sequenceId);
    const kept = RecentSeqs.of(given);
    kept.followedBy(sequenceId(3), 10);
    given.push(sequenceId(9));
    expect([...kept]).toEqual([1, 2]);
  });
});
