import { describe, expect, it } from 'vitest';
import { hash32 } from './hash.ts';
import { seededRandom, systemRandom } from './random.ts';

describe('seededRandom', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const take = (seed: number): readonly number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 50 }, () => random.uint32());
    };
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    expect(new Set(take(7)).size).toBe(50);
  });

  it('spreads fractions over [0, 1)', () => {
    const random = seededRandom(1);
    const buckets = new Array<number>(10).fill(0);
    for (let count = 0; count < 10_000; count += 1) {
      const bucket = Math.floor(random.fraction() * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    expect(buckets.length).toBe(10);
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });
});

describe('systemRandom', () => {
  it('makes ids of 32 hexadecimal digits that do not repeat', () => {
    const ids = Array.from({ length: 1_000 }, () => systemRandom.id());
    expect(new Set(ids).size).toBe(1_000);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('hash32', () => {
  it('never changes, because where an actor lives follows from it', () => {
    expect(['', 'u:alice', 'c:general', 'c:alice!bob'].map(hash32)).toMatchInlineSnapshot(`
      [
        2872998923,
        3859795450,
        4169800688,
        301609745,
      ]
    `);
  });
});
