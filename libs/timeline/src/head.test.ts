import { generation, InvariantViolation, sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocateSeq, appended } from './append.ts';
import {
  advanced,
  comparePositions,
  cursorStatus,
  decodeHead,
  emptyHead,
  encodeHead,
  generationOf,
  inGeneration,
  spansOf,
  type TimelineHead,
} from './head.ts';

interface Life {
  readonly head: TimelineHead;
  /** The generation of each entry, by seq. */
  readonly entries: ReadonlyMap<number, number>;
}

type Step = { readonly append: number } | { readonly raise: number };

/** Any life of a Timeline: appends, an imported first seq, and new generations. */
const life: fc.Arbitrary<Life> = fc
  .record({
    first: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: null }),
    steps: fc.array(
      fc.oneof(
        fc.record({ append: fc.integer({ min: 1, max: 5 }) }),
        fc.record({ raise: fc.integer({ min: 0, max: 3 }) }),
      ),
      { maxLength: 12 },
    ),
  })
  .map(({ first, steps }: { first: number | null; steps: readonly Step[] }) => {
    let head = emptyHead(generation(1));
    const entries = new Map<number, number>();
    if (first !== null) {
      head = appended(head, sequenceId(first));
      entries.set(first, 1);
    }
    for (const step of steps) {
      if ('append' in step) {
        for (let count = step.append; count > 0; count -= 1) {
          head = advanced(head, 1);
          entries.set(head.seq, head.gen);
        }
      } else {
        head = inGeneration(head, generation(head.gen + step.raise));
      }
    }
    return { head, entries };
  });

describe('a Timeline head', () => {
  it('survives its text form', () => {
    fc.assert(
      fc.property(life, ({ head }) => {
        expect(decodeHead(encodeHead(head))).toEqual(head);
      }),
    );
    for (const bad of ['', '1', '1-', 'x-1', '1-2;3', '1-2;1:2', '1-2@']) {
      expect(() => decodeHead(bad)).toThrow(InvariantViolation);
    }
  });

  it('knows the generation of every entry and of no other seq (I3)', () => {
    fc.assert(
      fc.property(life, ({ head, entries }) => {
        for (let seq = 0; seq <= head.seq + 2; seq += 1) {
          expect(generationOf(head, sequenceId(seq))).toBe(entries.get(seq) ?? null);
        }
      }),
    );
  });

  it('numbers without a gap through all generations (I3)', () => {
    fc.assert(
      fc.property(life, ({ head }) => {
        const spans = spansOf(head).filter(({ first, last }) => first <= last);
        spans.slice(1).forEach((span, index) => {
          expect(span.first).toBe((spans[index]?.last ?? 0) + 1);
          expect(span.gen).toBeGreaterThan(spans[index]?.gen ?? 0);
        });
        if (head.seq > 0) expect(spans.at(-1)?.last).toBe(head.seq);
      }),
    );
  });

  it('does not go back to an older generation', () => {
    const head = advanced(emptyHead(generation(3)), 4);
    expect(inGeneration(head, generation(2))).toBe(head);
    expect(inGeneration(head, generation(3))).toBe(head);
    expect(inGeneration(head, generation(5))).toEqual({
      gen: 5,
      seq: 4,
      first: 5,
      past: [{ gen: 3, first: 1, last: 4 }],
    });
  });

  it('orders positions by generation first (I6)', () => {
    const at = (gen: number, seq: number) => ({ gen: generation(gen), seq: sequenceId(seq) });
    expect(comparePositions(at(2, 1), at(1, 9))).toBeGreaterThan(0);
    expect(comparePositions(at(1, 2), at(1, 9))).toBeLessThan(0);
    expect(comparePositions(at(1, 9), at(1, 9))).toBe(0);
  });
});

describe('a cursor', () => {
  it('on an entry that is there goes on behind it', () => {
    fc.assert(
      fc.property(life, ({ head, entries }) => {
        for (const [seq, gen] of entries) {
          expect(cursorStatus(head, { gen: generation(gen), seq: sequenceId(seq) })).toEqual({
            kind: 'valid',
            next: seq + 1,
          });
        }
      }),
    );
  });

  it('past what its generation ended with is told from where to read again', () => {
    fc.assert(
      fc.property(life, fc.integer({ min: 1, max: 9 }), (before, lost) => {
        // The reader saw `lost` more entries in the old generation, which then were lost.
        const seen = advanced(before.head, lost);
        const after = advanced(inGeneration(before.head, generation(before.head.gen + 1)), lost + 1);
        const status = cursorStatus(after, seen);
        expect(status).toEqual({ kind: 'regressed', from: before.head.seq });
      }),
    );
  });

  it('of a generation that a rollback took away is regressed to what is known, never believed past it', () => {
    const head = advanced(emptyHead(generation(1)), 3);
    expect(cursorStatus(head, { gen: generation(7), seq: sequenceId(9) })).toEqual({ kind: 'regressed', from: 3 });
    expect(cursorStatus(head, { gen: generation(7), seq: sequenceId(2) })).toEqual({ kind: 'valid', next: 3 });
  });

  it('at 0 has nothing, so it lost nothing', () => {
    fc.assert(
      fc.property(life, fc.nat(20), ({ head }, gen) => {
        expect(cursorStatus(head, { gen: generation(gen), seq: sequenceId(0) })).toEqual({ kind: 'valid', next: 1 });
      }),
    );
  });
});

describe('allocateSeq', () => {
  it('gives head + 1, and takes no other from a caller but on an empty Timeline (I3)', () => {
    fc.assert(
      fc.property(life, fc.integer({ min: 0, max: 2_000 }), ({ head }, given) => {
        expect(allocateSeq(head)).toEqual({ ok: true, value: head.seq + 1 });
        const allocated = allocateSeq(head, sequenceId(given));
        const isEmpty = head.seq === 0;
        if (given === head.seq + 1 || (isEmpty && given > 0)) {
          expect(allocated).toEqual({ ok: true, value: given });
          const next = appended(head, sequenceId(given));
          expect(generationOf(next, sequenceId(given))).toBe(head.gen);
          expect(allocateSeq(next)).toEqual({ ok: true, value: given + 1 });
        } else {
          const code = given <= head.seq ? 'seq_taken' : 'seq_gap';
          expect(allocated).toMatchObject({ ok: false, error: { code, expected: head.seq + 1 } });
        }
      }),
    );
  });
});
