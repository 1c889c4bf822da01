import { sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isOpen,
  joinedAt,
  lastVisible,
  leftAt,
  receivedRanges,
  sees,
  visibleRanges,
  type MembershipInterval,
  type SeqRange,
} from './membership-interval.ts';

interface History {
  readonly intervals: readonly MembershipInterval[];
  readonly head: number;
  /** Seq by seq: was the user a member when it was written, and may they see it? */
  readonly received: readonly boolean[];
  readonly visible: readonly boolean[];
}

/** A random history: at each seq the user joins (seeing from then, or from the beginning), leaves, or a message comes. */
const history: fc.Arbitrary<History> = fc
  .array(fc.constantFrom('message', 'join', 'joinAll', 'leave'), { minLength: 1, maxLength: 40 })
  .map((events) => {
    let intervals: readonly MembershipInterval[] = [];
    const received: boolean[] = [false];
    const visible: boolean[] = [false];
    let isMember = false;
    events.forEach((event, index) => {
      const seq = sequenceId(index + 1);
      let receives = isMember;
      if ((event === 'join' || event === 'joinAll') && !isMember) {
        isMember = true;
        receives = true;
        intervals = joinedAt(intervals, seq, event === 'join' ? seq : sequenceId(1));
        if (event === 'joinAll') visible.fill(true, 1);
      } else if (event === 'leave' && isMember) {
        isMember = false;
        intervals = leftAt(intervals, seq);
      }
      received.push(receives);
      visible.push(receives);
    });
    return { intervals, head: events.length, received, visible };
  });

const range = (history: History, from: number, length: number): SeqRange => {
  const first = 1 + (from % history.head);
  return { from: sequenceId(first), to: sequenceId(Math.min(history.head, first + length)) };
};

const expand = (ranges: readonly SeqRange[]): readonly number[] =>
  ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));

const within = (flags: readonly boolean[], { from, to }: SeqRange): readonly number[] =>
  expand([{ from, to }]).filter((seq) => flags[seq] === true);

describe('membership intervals', () => {
  it('give a member exactly the entries of their stays, whatever came and went (I7)', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(40), (told, from, length) => {
        const asked = range(told, from, length);
        expect(expand(receivedRanges(told.intervals, asked))).toEqual(within(told.received, asked));
      }),
    );
  });

  it('show exactly what was received, and before it what the policy opened (I7)', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(40), (told, from, length) => {
        const asked = range(told, from, length);
        const shown = expand(visibleRanges(told.intervals, asked));
        expect(shown).toEqual(within(told.visible, asked));
        const received = expand(receivedRanges(told.intervals, asked));
        expect(received.filter((seq) => !shown.includes(seq))).toEqual([]);
      }),
    );
  });

  it('tell of each seq alone the same as of ranges (I7)', () => {
    fc.assert(
      fc.property(history, (told) => {
        for (let seq = 1; seq <= told.head; seq += 1) {
          expect(sees(told.intervals, sequenceId(seq))).toBe(told.visible[seq]);
        }
        const last = told.visible.lastIndexOf(true);
        expect(lastVisible(told.intervals, sequenceId(told.head))).toBe(Math.max(0, last));
      }),
    );
  });

  it('do not change when one joins who is in, or leaves who is not', () => {
    const inside = joinedAt([], sequenceId(3), sequenceId(1));
    expect(isOpen(inside)).toBe(true);
    expect(joinedAt(inside, sequenceId(9), sequenceId(9))).toBe(inside);
    const outside = leftAt(inside, sequenceId(5));
    expect(isOpen(outside)).toBe(false);
    expect(leftAt(outside, sequenceId(8))).toEqual(outside);
  });
});
