import { sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  counted,
  decodeSendCounter,
  encodeSendCounter,
  judgeCounter,
  noSends,
  type SendCounter,
} from './send-counter.ts';

interface Sends {
  readonly counter: SendCounter;
  readonly seqs: readonly number[];
  readonly window: number;
}

/** A device that has sent a while, between messages of others. */
const sends: fc.Arbitrary<Sends> = fc
  .record({
    gaps: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 40 }),
    window: fc.integer({ min: 1, max: 12 }),
  })
  .map(({ gaps, window }) => {
    let counter = noSends;
    const seqs: number[] = [];
    let seq = 0;
    for (const gap of gaps) {
      seq += gap;
      seqs.push(seq);
      counter = counted(counter, sequenceId(seq), seq * 3, window);
    }
    return { counter, seqs, window };
  });

describe('a send counter', () => {
  it('takes last + 1 only; a retry gets the first seq, or is known to be too old, never a new one (I4)', () => {
    fc.assert(
      fc.property(sends, fc.nat(60), ({ counter, seqs, window }, n) => {
        const last = seqs.length;
        const verdict = judgeCounter(counter, n);
        if (n === last + 1) expect(verdict).toEqual({ kind: 'next' });
        else if (n > last) expect(verdict).toEqual({ kind: 'out_of_order', expected: last + 1 });
        else if (n > last - window && n > 0) expect(verdict).toEqual({ kind: 'duplicate', seq: seqs[n - 1] });
        else expect(verdict).toEqual({ kind: 'expired' });
      }),
    );
  });

  it('does not grow with the messages (I4, I9)', () => {
    fc.assert(
      fc.property(sends, ({ counter, seqs, window }) => {
        expect(counter.seqs).toHaveLength(Math.min(window, seqs.length));
        expect(counter).toMatchObject({ last: seqs.length, sentAt: (seqs.at(-1) ?? 0) * 3 });
      }),
    );
  });

  it('survives its record', () => {
    fc.assert(
      fc.property(sends, ({ counter }) => {
        expect(decodeSendCounter(encodeSendCounter(counter))).toEqual(counter);
      }),
    );
  });
});
