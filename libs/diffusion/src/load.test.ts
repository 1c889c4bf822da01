import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadAfter, noLoad, type Load } from './load.ts';

const WINDOW_MS = 10_000;
const steady = (everyMs: number, deliveries: number, forMs: number, from: Load = noLoad): Load => {
  let load = from;
  const startMs = from.atMs;
  for (let atMs = 0; atMs <= forMs; atMs += everyMs) load = loadAfter(load, startMs + atMs, deliveries, WINDOW_MS);
  return load;
};

describe('the load of a conversation', () => {
  it('is what is sent a second, when that goes on for some windows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 1_000 }), fc.integer({ min: 1, max: 500 }), (everyMs, deliveries) => {
        const { perSecond } = steady(everyMs, deliveries, 8 * WINDOW_MS);
        const sent = (deliveries * 1_000) / everyMs;
        // Measured right after a message, so half of one too much.
        expect(perSecond).toBeGreaterThan(sent * 0.99);
        expect(perSecond).toBeLessThan(sent * 1.06);
      }),
    );
  });

  it('is nothing after some windows in which nothing is sent, and in between falls all the time', () => {
    const busy = steady(10, 200, 5 * WINDOW_MS);
    let before = busy.perSecond;
    for (let passedMs = 1_000; passedMs < 10 * WINDOW_MS; passedMs += 1_000) {
      const { perSecond } = loadAfter(busy, busy.atMs + passedMs, 0, WINDOW_MS);
      expect(perSecond).toBeLessThan(before);
      before = perSecond;
    }
    expect(before).toBeLessThan(busy.perSecond / 1_000);
  });

  it('does not take one burst for what goes on: it is spread over the window', () => {
    const burst = loadAfter(noLoad, 5, 100 * 150, WINDOW_MS);
    expect(burst.perSecond).toBe(1_500);
  });

  it('is not negative, nor without end, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1e13 }), fc.nat(1_000))), (events) => {
        let load = noLoad;
        let all = 0;
        for (const [nowMs, deliveries] of events) {
          load = loadAfter(load, nowMs, deliveries, WINDOW_MS);
          all += deliveries;
          expect(load.perSecond).toBeGreaterThanOrEqual(0);
          expect(load.perSecond).toBeLessThanOrEqual((all * 1_000) / WINDOW_MS + 1e-6);
        }
      }),
    );
  });
});
