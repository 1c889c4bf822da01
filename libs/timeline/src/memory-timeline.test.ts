import { generation, InvariantViolation, sequenceId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryTimeline } from './memory-timeline.ts';

const gen = generation(7);

const filled = (entriesMax: number, bytesMax: number, sizes: readonly number[]): MemoryTimeline => {
  const timeline = new MemoryTimeline(gen, { entriesMax, bytesMax });
  sizes.forEach((size, index) => {
    timeline.append(sequenceId(index + 1), new Uint8Array(size).fill(index % 251));
  });
  return timeline;
};

/** As many of the last ones as fit, looked at from the end. */
function lastThatFit(entriesMax: number, bytesMax: number, sizes: readonly number[]): number {
  let [count, bytes] = [0, 0];
  while (count < Math.min(entriesMax, sizes.length)) {
    bytes += sizes[sizes.length - 1 - count] ?? 0;
    if (bytes > bytesMax) break;
    count += 1;
  }
  return count;
}

describe('a Timeline in memory', () => {
  it('holds the latest entries, dense and up to the last one, as many as fit (I9)', () => {
    const bounds = fc.tuple(fc.nat(20), fc.integer({ min: 0, max: 300 }));
    const sizes = fc.array(fc.nat(60), { maxLength: 400 });
    fc.assert(
      fc.property(bounds, sizes, ([entriesMax, bytesMax], of) => {
        const timeline = filled(entriesMax, bytesMax, of);
        const kept = lastThatFit(entriesMax, bytesMax, of);
        const from = of.length - kept + 1;
        expect(timeline.first).toBe(from);
        expect(timeline.entries.map(({ seq }) => seq)).toEqual(Array.from({ length: kept }, (_, at) => from + at));
        expect(timeline.bytes).toBe(of.slice(of.length - kept).reduce((sum, size) => sum + size, 0));
        for (const { gen: of_, seq, data } of timeline.entries) {
          expect(of_).toBe(gen);
          expect(data.length).toBe(of[seq - 1]);
        }
      }),
    );
  });

  it('gives of a range exactly what it holds', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(200), fc.integer({ min: 1, max: 210 }), fc.nat(30), (max, count, from, more) => {
        const timeline = filled(max, 1_000_000, new Array<number>(count).fill(3));
        const expected = timeline.entries.filter(({ seq }) => seq >= from && seq <= from + more);
        expect(timeline.range(sequenceId(from), sequenceId(from + more))).toEqual(expected);
      }),
    );
  });

  it('takes nothing that does not follow on its last entry (I3)', () => {
    const timeline = filled(10, 1_000, [1, 1]);
    expect(() => {
      timeline.append(sequenceId(4), new Uint8Array(1));
    }).toThrow(InvariantViolation);
    expect(() => {
      timeline.append(sequenceId(2), new Uint8Array(1));
    }).toThrow(InvariantViolation);
  });

  it('holds nothing of what it has dropped', () => {
    const timeline = filled(2, 1_000, new Array<number>(65).fill(10));
    expect(timeline.size).toBe(2);
    expect(timeline.bytes).toBe(20);
    expect(timeline.range(sequenceId(1), sequenceId(63))).toEqual([]);
  });
});
