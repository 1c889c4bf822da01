import { generation, sequenceId } from '@millrace/kernel';
import { emptyHead, inGeneration, spansOf, type GenerationSpan, type TimelineHead } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRoll } from './roll-plan.ts';

const headAt = (seq: number): TimelineHead => ({ ...emptyHead(generation(1)), seq: sequenceId(seq) });
const rolled = (head: TimelineHead, archivedTo: number, upTo: number, isCold = false) =>
  planRoll({ head, archivedTo: sequenceId(archivedTo) }, { upTo, chunkEntries: 10, chunksMax: 100, isCold }).map(
    ({ gen, first, last }) => `${String(gen)}:${String(first)}-${String(last)}`,
  );

/** Heads with up to three generations behind them, and where the archive stands. */
const tiers = fc
  .record({ lengths: fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }), archived: fc.nat(100) })
  .map(({ lengths, archived }) => {
    let head = emptyHead(generation(1));
    lengths.forEach((length, index) => {
      head = inGeneration(head, generation(index + 1));
      head = { ...head, seq: sequenceId(head.seq + length) };
    });
    return { head, archivedTo: sequenceId(Math.min(archived, head.seq)) };
  });

describe('what is archived next', () => {
  it('is whole chunks alone, for what follows on would make another one of a shorter one', () => {
    expect(rolled(headAt(35), 0, 35)).toEqual(['1:1-10', '1:11-20', '1:21-30']);
    expect(rolled(headAt(35), 0, 29)).toEqual(['1:1-10', '1:11-20']);
    expect(rolled(headAt(35), 20, 35)).toEqual(['1:21-30']);
    expect(rolled(headAt(9), 0, 9)).toEqual([]);
  });

  it('is all of a conversation in which nothing is said any more', () => {
    expect(rolled(headAt(35), 20, 35, true)).toEqual(['1:21-30', '1:31-35']);
    expect(rolled(headAt(35), 35, 35, true)).toEqual([]);
    // Of one that goes on, only what is asked for.
    expect(rolled(headAt(35), 20, 32, true)).toEqual(['1:21-30']);
  });

  it('begins where the Timeline does', () => {
    expect(rolled({ ...headAt(125), first: sequenceId(101) }, 0, 125)).toEqual(['1:101-110', '1:111-120']);
  });

  it('follows on what is archived without a hole, of one generation at a time, up to where it may (I8)', () => {
    fc.assert(
      fc.property(tiers, fc.nat(120), fc.integer({ min: 1, max: 12 }), fc.boolean(), (given, upTo, size, isCold) => {
        const asked = { upTo, chunkEntries: size, chunksMax: 1_000, isCold };
        const rolls: (readonly GenerationSpan[])[] = [];
        // Each time from where the one before came to.
        for (let { archivedTo } = given; ;) {
          const roll = planRoll({ ...given, archivedTo }, asked);
          const last = roll.at(-1)?.last;
          if (last === undefined) break;
          expect(new Set(roll.map(({ gen }) => gen)).size).toBe(1);
          rolls.push(roll);
          archivedTo = last;
        }
        const chunks = rolls.flat();
        let next = given.archivedTo + 1;
        for (const { gen, first, last } of chunks) {
          expect(first).toBe(next);
          expect(last - first + 1).toBeLessThanOrEqual(size);
          const span = spansOf(given.head).find((each) => each.gen === gen);
          expect(span !== undefined && first >= span.first && last <= span.last).toBe(true);
          next = last + 1;
        }
        const end = Math.min(upTo, given.head.seq);
        if (chunks.length > 0) expect(next - 1).toBeLessThanOrEqual(end);
        // What is left would fill no chunk, or is of a chunk that ends behind.
        expect(end - next + 1).toBeLessThan(size);
      }),
    );
  });

  it('is bounded (I9)', () => {
    const chunks = planRoll(
      { head: headAt(1_000), archivedTo: sequenceId(0) },
      { upTo: 1_000, chunkEntries: 10, chunksMax: 3 },
    );
    expect(chunks.map(({ last }) => last)).toEqual([10, 20, 30]);
  });
});
