import { describe, expect, it } from 'vitest';
import { judgeGrowth } from './growth.ts';

const samples = (of: (index: number) => number, name = 'heapBytes', count = 72): Record<string, number>[] =>
  Array.from({ length: count }, (_, index) => ({ [name]: of(index), steady: 5 }));

describe('what goes on growing', () => {
  it('is what leaks, however slowly, if it comes to more than a tenth in a third of the run', () => {
    const leak = judgeGrowth(samples((index) => 10_000_000 + 200_000 * index));
    expect(leak.map(({ name }) => name)).toEqual(['heapBytes']);
    expect(leak[0]?.last).toBeGreaterThan(leak[0]?.before ?? Infinity);
    expect(judgeGrowth(samples((index) => 5 * index, 'storeKeys')).map(({ name }) => name)).toEqual(['storeKeys']);
  });

  it('is not what fills up at first, nor what wavers, nor what shrinks', () => {
    expect(judgeGrowth(samples((index) => Math.min(index, 20) * 1e6))).toEqual([]);
    expect(judgeGrowth(samples((index) => 10e6 + (index % 7) * 1e6))).toEqual([]);
    expect(judgeGrowth(samples((index) => 20e6 - index * 1e5))).toEqual([]);
    expect(judgeGrowth(samples((index) => index % 5, 'queue'))).toEqual([]);
  });

  it('is not what comes back after a dip', () => {
    expect(judgeGrowth(samples((index) => (index > 30 && index < 45 ? 2e6 : 10e6)))).toEqual([]);
  });

  it('is what comes late, though a sample of the beginning lacks it', () => {
    const late = samples((index) => 10e6 + 1e6 * index).map((sample, index) => (index < 24 ? { steady: 5 } : sample));
    expect(judgeGrowth(late).map(({ name }) => name)).toEqual(['heapBytes']);
  });

  it('is nothing that two samples could tell', () => {
    expect(judgeGrowth(samples((index) => index * 1e9, 'heapBytes', 2))).toEqual([]);
  });
});
