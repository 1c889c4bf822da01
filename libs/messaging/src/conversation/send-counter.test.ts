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

interface Accepted {
  readonly n: number;
  readonly after: number;
  readonly seq: number;
}

interface Sends {
  readonly counter: SendCounter;
  readonly accepted: readonly Accepted[];
  readonly window: number;
}

function sent(accepted: readonly Accepted[], window: number): Sends {
  let counter = noSends;
  for (const { n, seq } of accepted) counter = counted(counter, n, sequenceId(seq), seq * 3, window);
  return { counter, accepted, window };
}

const window = fc.integer({ min: 1, max: 12 });
const seqStep = fc.integer({ min: 1, max: 400 });

/** A device that has sent a while, between messages of others, and skipped what `step` says. */
const sendsBy = (step: fc.Arbitrary<number>): fc.Arbitrary<Sends> =>
  fc.tuple(fc.array(fc.tuple(step, seqStep), { maxLength: 40 }), window).map(([steps, size]) => {
    const accepted: Accepted[] = [];
    for (const [up, seqUp] of steps) {
      const { n, seq } = accepted.at(-1) ?? { n: 0, seq: 0 };
      accepted.push({ n: n + up, after: n, seq: seq + seqUp });
    }
    return sent(accepted, size);
  });

const dense = sendsBy(fc.constant(1));
const sends = fc.oneof(dense, sendsBy(fc.constantFrom(1, 1, 1, 2, 3, 9, 100_000)));
/** A number near one that was sent, and one that it may be said to follow. */
const attempt = fc.record({
  of: fc.nat(50),
  off: fc.integer({ min: -3, max: 4 }),
  back: fc.integer({ min: 1, max: 4 }),
});

describe('a send counter', () => {
  it('takes only what follows the last one; a retry gets the first seq, or is known to be too old, never a new one (I4)', () => {
    fc.assert(
      fc.property(sends, attempt, ({ counter, accepted, window: size }, { of, off, back }) => {
        const last = accepted.at(-1)?.n ?? 0;
        const n = Math.max(1, (accepted[of]?.n ?? last) + off);
        const after = Math.max(0, n - back);
        const verdict = judgeCounter(counter, n, after);
        const place = accepted.findIndex((one) => one.n === n);
        const isRemembered = place >= 0 && place >= accepted.length - size;
        const oldest = accepted.at(-size) ?? accepted[0];
        const gap = accepted.find((one) => n > one.after && n < one.n);
        if (n > last && after === last) expect(verdict).toEqual({ kind: 'next' });
        else if (n > last) expect(verdict).toEqual({ kind: 'out_of_order', expected: last + 1 });
        else if (isRemembered) expect(verdict).toEqual({ kind: 'duplicate', seq: accepted[place]?.seq });
        else if (gap !== undefined && gap.n >= (oldest?.n ?? 0)) {
          expect(verdict).toEqual({ kind: 'skipped', after: gap.after, n: gap.n });
        } else expect(verdict).toEqual({ kind: 'expired' });
      }),
      { numRuns: 3_000 },
    );
  });

  it('does not grow with the messages, nor with what is skipped, and knows how many there were (I4, I9)', () => {
    fc.assert(
      fc.property(sends, ({ counter, accepted, window: size }) => {
        const kept = Math.min(size, accepted.length);
        expect(counter.seqs).toHaveLength(kept);
        const gaps = accepted.slice(accepted.length - kept).filter(({ n, after }) => n > after + 1);
        expect(counter.gaps).toEqual(gaps.map(({ n, after }) => ({ n, after })));
        expect(counter.last - counter.skipped).toBe(accepted.length);
        expect(counter).toMatchObject({ last: accepted.at(-1)?.n ?? 0, sentAt: (accepted.at(-1)?.seq ?? 0) * 3 });
      }),
    );
  });

  it('survives its record', () => {
    fc.assert(
      fc.property(sends, ({ counter }) => {
        const read = decodeSendCounter(encodeSendCounter(counter));
        expect([...read.seqs]).toEqual([...counter.seqs]);
        expect({ ...read, seqs: [] }).toEqual({ ...counter, seqs: [] });
      }),
    );
  });

  it('has a record that costs nothing more as long as nothing is skipped, and little when something is', () => {
    const plain = sent(
      [1, 2, 3].map((n) => ({ n, after: n - 1, seq: n * 10 })),
      64,
    ).counter;
    // last 3, sentAt 90, three seqs: 30, and 10 below each
    expect([...encodeSendCounter(plain)]).toEqual([3, 90, 3, 30, 10, 10]);
    const skipping = counted(plain, 6, sequenceId(41), 99, 64);
    expect([...encodeSendCounter(skipping)]).toEqual([6, 99, 4, 41, 11, 10, 10, 2, 0, 2]);
  });

  it('reads the record of a program that did not know of skipping', () => {
    const before = Uint8Array.of(2, 9, 2, 30, 10);
    const { seqs, ...rest } = decodeSendCounter(before);
    expect([...seqs]).toEqual([20, 30]);
    expect(rest).toEqual({ last: 2, sentAt: 9, gaps: [], skipped: 0 });
  });
});
