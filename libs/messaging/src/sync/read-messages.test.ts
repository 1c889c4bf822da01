import { joinedAt, leftAt, sees, type MembershipInterval } from '@millrace/diffusion';
import { generation, partitionId, sequenceId } from '@millrace/kernel';
import {
  advanced,
  emptyHead,
  inGeneration,
  StoreUnavailable,
  type ActorKey,
  type TimelineEntry,
} from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPage, positionsOf, readDense, survivingPart } from './read-messages.ts';

const intervals: fc.Arbitrary<readonly MembershipInterval[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.boolean()), { maxLength: 4 })
  .map((stays) => {
    let seq = 0;
    let made: readonly MembershipInterval[] = [];
    for (const [gap, stay, all] of stays) {
      made = leftAt(made, sequenceId(seq));
      seq += gap;
      made = joinedAt(made, sequenceId(seq), sequenceId(all ? 1 : seq));
      seq += stay;
    }
    return made;
  });

const head = (seq: number) => advanced(inGeneration(advanced(emptyHead(generation(1)), 2), generation(3)), seq);

describe('the part of a pointer that a loss left', () => {
  // Generation 1 has seqs 1 and 2; generation 3 goes on with 3 to 7.
  const stands = head(5);
  const range = (gen: number, from: number, to: number) => ({
    from: { gen: generation(gen), seq: sequenceId(from) },
    to: { gen: generation(gen), seq: sequenceId(to) },
  });

  it('is all of it, its beginning, or nothing', () => {
    const whole = range(1, 1, 2);
    expect(survivingPart(stands, whole)).toBe(whole);
    expect(survivingPart(stands, range(1, 2, 5))).toEqual(range(1, 2, 2));
    expect(survivingPart(stands, range(1, 3, 5))).toBeNull();
    expect(survivingPart(stands, range(2, 3, 5))).toBeNull();
    expect(survivingPart(stands, range(3, 7, 9))).toEqual(range(3, 7, 7));
  });
});

describe('planPage', () => {
  it('reads what may be seen, in both directions, each entry once over all pages (I7, I8)', () => {
    const query = fc.record({
      intervals,
      more: fc.integer({ min: 0, max: 40 }),
      from: fc.integer({ min: 0, max: 50 }),
      limit: fc.integer({ min: 1, max: 9 }),
      direction: fc.constantFrom('forward' as const, 'backward' as const),
    });
    fc.assert(
      fc.property(query, (given) => {
        const { direction, limit } = given;
        const at = head(given.more);
        const all = Array.from({ length: at.seq }, (_, index) => index + 1)
          .filter((seq) => sees(given.intervals, sequenceId(seq)))
          .filter((seq) => (direction === 'forward' ? seq >= given.from : seq <= given.from));
        const expected = direction === 'forward' ? all : [...all].reverse();
        const read: number[] = [];
        let from = given.from;
        for (;;) {
          const page = planPage({ head: at, intervals: given.intervals, direction, from: sequenceId(from), limit });
          const seqs = page.ranges.flatMap((range) => {
            const rising = Array.from({ length: range.to - range.from + 1 }, (_, index) => range.from + index);
            return direction === 'forward' ? rising : rising.reverse();
          });
          expect(seqs.length).toBeLessThanOrEqual(limit);
          read.push(...seqs);
          if (!page.hasMore) break;
          expect(seqs).toHaveLength(limit);
          const last = seqs.at(-1) ?? 0;
          from = direction === 'forward' ? last + 1 : last - 1;
        }
        expect(read).toEqual(expected);
      }),
    );
  });
});

describe('readDense', () => {
  const at = { partition: partitionId(0), actor: 'c:x' as ActorKey };
  const range = positionsOf(head(5), { from: sequenceId(2), to: sequenceId(4) });
  const entry = (seq: number): TimelineEntry => ({
    gen: generation(1),
    seq: sequenceId(seq),
    data: new Uint8Array(),
  });
  const readerOf = (answers: (readonly number[])[]) => ({
    asked: 0,
    range(): Promise<readonly TimelineEntry[]> {
      this.asked += 1;
      return Promise.resolve((answers.shift() ?? []).map(entry));
    },
    at: () => Promise.resolve(null),
  });

  it('reads a page with a hole once more, and then gives up rather than show it (I8)', async () => {
    const healed = readerOf([
      [2, 4],
      [2, 3, 4],
    ]);
    expect(await readDense(healed, at, range, 'forward')).toHaveLength(3);
    for (const hole of [[], [2, 3], [2, 4], [3, 4, 5], [4, 3, 2]]) {
      const reader = readerOf([hole, hole]);
      await expect(readDense(reader, at, range, 'forward')).rejects.toBeInstanceOf(StoreUnavailable);
      expect(reader.asked).toBe(2);
    }
  });

  it('knows the generation of both ends, and refuses a range that the head does not hold', () => {
    expect(range).toEqual({ from: { gen: 1, seq: 2 }, to: { gen: 3, seq: 4 } });
    expect(() => positionsOf(head(5), { from: sequenceId(2), to: sequenceId(8) })).toThrow(StoreUnavailable);
  });
});
