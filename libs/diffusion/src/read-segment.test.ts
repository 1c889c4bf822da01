import { sequenceId, type SequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinedAt, leftAt, type MembershipInterval } from './membership-interval.ts';
import type { DiffusionMode } from './mode.ts';
import {
  isDiffused,
  isReceived,
  lastReceived,
  modeBehind,
  modeNow,
  pullEnd,
  receivesAny,
  SEGMENTS_MAX,
  switchedAt,
  type ReadSegment,
} from './read-segment.ts';

interface Life {
  readonly segments: readonly ReadSegment[];
  readonly intervals: readonly MembershipInterval[];
  readonly head: SequenceId;
  /** Entry by entry, from 1: is it diffused to all, is the user in, does their inbox get it? */
  readonly entries: readonly { readonly diffused: boolean; readonly isIn: boolean; readonly inInbox: boolean }[];
}

/** A random life of a conversation, and of one user in it, written down by other means than segments. */
const life: fc.Arbitrary<Life> = fc
  .array(fc.constantFrom('message', 'message', 'up', 'down', 'join', 'leave'), { minLength: 1, maxLength: 60 })
  .map((events) => {
    let segments: readonly ReadSegment[] = [];
    let intervals: readonly MembershipInterval[] = [];
    let isRead = false;
    let isMember = false;
    const entries = events.map((event, index) => {
      const seq = sequenceId(index + 1);
      const wasMember = isMember;
      let isOwn = false;
      let diffused = !isRead;
      if (event === 'up' || event === 'down') {
        segments = switchedAt(segments, event === 'up' ? 'read' : 'write', seq);
        // The old mode holds up to the entry that ends it, and that one is in every inbox; so is the one that begins the other.
        if (event === 'down') diffused = true;
        isRead = event === 'up';
      } else if (event === 'join' && !isMember) {
        isMember = true;
        isOwn = true;
        intervals = joinedAt(intervals, seq, seq);
      } else if (event === 'leave' && isMember) {
        isMember = false;
        isOwn = true;
        intervals = leftAt(intervals, seq);
      }
      const isIn = wasMember || isMember;
      return { diffused, isIn, inInbox: isOwn || (isIn && diffused) };
    });
    return { segments, intervals, head: sequenceId(events.length), entries };
  });

const seqs = (count: number): readonly SequenceId[] =>
  Array.from({ length: count }, (_, index) => sequenceId(index + 1));

describe('read segments', () => {
  it('tell of each entry whether it is diffused, and to one member', () => {
    fc.assert(
      fc.property(life, ({ segments, intervals, head, entries }) => {
        for (const seq of seqs(head)) {
          expect(isDiffused(segments, seq)).toBe(entries[seq - 1]?.diffused);
          expect(isReceived(intervals, segments, seq)).toBe(entries[seq - 1]?.inInbox);
        }
      }),
    );
  });

  it('tell where a member’s inbox stands', () => {
    fc.assert(
      fc.property(life, ({ segments, intervals, head, entries }) => {
        for (const upTo of seqs(head)) {
          const received = seqs(upTo).filter((seq) => entries[seq - 1]?.inInbox === true);
          expect(lastReceived(intervals, segments, upTo)).toBe(received.at(-1) ?? 0);
          const from = sequenceId(Math.max(1, upTo - 3));
          expect(receivesAny(intervals, segments, { from, to: upTo })).toBe(received.some((seq) => seq >= from));
        }
      }),
    );
  });

  it('let inbox and pulls together give each entry of a stay, once and in order (I7)', () => {
    fc.assert(
      fc.property(life, fc.infiniteStream(fc.boolean()), ({ segments, intervals, head, entries }, pulls) => {
        const got: number[] = [];
        let cursor: SequenceId | null = null;
        for (const seq of seqs(head)) {
          if (entries[seq - 1]?.inInbox === true) {
            if (cursor === null || seq > cursor) {
              // The record that ends a hole points at all of it.
              if (cursor !== null) got.push(...seqs(seq - 1).slice(cursor));
              got.push(seq);
            }
            const isOut = intervals.some(({ to }) => to === seq);
            const mayPull = modeBehind(segments, seq) === 'read' && !isOut;
            cursor = mayPull ? sequenceId(Math.max(seq, cursor ?? 0)) : null;
          }
          if (cursor === null || pulls.next().value === false) continue;
          const end = pullEnd(intervals, segments, cursor, seq);
          if (end === null) continue;
          got.push(...seqs(end).slice(cursor));
          cursor = sequenceId(Math.max(cursor, end));
        }
        if (cursor !== null) got.push(...seqs(pullEnd(intervals, segments, cursor, head) ?? cursor).slice(cursor));
        expect(got).toEqual(seqs(head).filter((seq) => entries[seq - 1]?.isIn === true));
      }),
    );
  });

  it('know the present mode, do not change when it is told again, and forget the oldest over the bound', () => {
    const modes = Array.from({ length: 3 * SEGMENTS_MAX }, (_, index): DiffusionMode =>
      index % 2 === 0 ? 'read' : 'write',
    );
    let segments: readonly ReadSegment[] = [];
    modes.forEach((mode, index) => {
      segments = switchedAt(segments, mode, sequenceId(10 * (index + 1)));
      expect(modeNow(segments)).toBe(mode);
      expect(switchedAt(segments, mode, sequenceId(10 * (index + 1) + 5))).toBe(segments);
      expect(segments.length).toBeLessThanOrEqual(SEGMENTS_MAX);
    });
    expect(segments.at(-1)).toEqual({ from: 30 * SEGMENTS_MAX - 10, to: 30 * SEGMENTS_MAX });
  });
});
