import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateTable, TokenBucket } from './rate-limit.ts';

const rate = { perSecond: 10, burst: 5 };

describe('the rate of a token bucket', () => {
  it('is kept over any time, and whoever waits as told gets one (I9)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 500 }), { maxLength: 200 }), (pauses) => {
        const bucket = new TokenBucket(rate, 0);
        let nowMs = 0;
        let taken = 0;
        for (const pause of pauses) {
          nowMs += pause;
          const waitMs = bucket.take(nowMs);
          nowMs += waitMs;
          if (waitMs > 0) expect(bucket.take(nowMs)).toBe(0);
          taken += 1;
        }
        expect(taken).toBeLessThanOrEqual(rate.burst + (nowMs * rate.perSecond) / 1_000 + 1e-6);
      }),
    );
  });
});

describe('a table of buckets that is full', () => {
  it('lets names beyond its bound share one bucket, and those that were there have their own (I9)', () => {
    const table = new RateTable(rate, { nowMs: () => 0, monotonicMs: () => 0 }, 3);
    for (const name of ['a', 'b', 'c']) table.take(name);
    const strangers = Array.from({ length: 100 }, (_, index) => table.take(`stranger-${String(index)}`));
    expect(strangers.filter((waitMs) => waitMs === 0)).toHaveLength(rate.burst);
    expect(table.size).toBe(3);
    expect(['a', 'b', 'c'].map((name) => table.take(name))).toEqual([0, 0, 0]);
  });

  it('takes new names when those who were quiet are forgotten, and forgets nobody who is not', () => {
    let nowMs = 0;
    const table = new RateTable(rate, { nowMs: () => 0, monotonicMs: () => nowMs }, 2);
    table.take('quiet');
    for (let index = 0; index < rate.burst; index += 1) table.take('busy');
    nowMs = 100;
    table.sweep();
    expect(table.size).toBe(1);
    expect([table.take('busy'), table.take('busy')]).toEqual([0, 100]);
    expect([table.take('new'), table.size]).toEqual([0, 2]);
  });
});
