import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadlines } from './deadlines.ts';

const SWEEP_MS = 250;
const LASTS_MS = 1_000;

interface Item {
  readonly untilMs: number;
  readonly name: number;
  isOpen: boolean;
}

/** A clock, and the timers that are set on it. */
class Time {
  nowMs = 0;
  set = 0;
  #planned: { readonly atMs: number; readonly callback: () => void }[] = [];

  readonly timers = {
    after: (delayMs: number, callback: () => void) => {
      const planned = { atMs: this.nowMs + delayMs, callback };
      this.set += 1;
      this.#planned.push(planned);
      return () => {
        this.#planned = this.#planned.filter((each) => each !== planned);
      };
    },
    soon: () => undefined,
  };

  runTo(ms: number): void {
    for (;;) {
      const [next] = this.#planned.sort((left, right) => left.atMs - right.atMs);
      if (next === undefined || next.atMs > ms) break;
      this.#planned = this.#planned.filter((each) => each !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = ms;
  }
}

describe('deadlines', () => {
  it('are kept: what is not taken out is over once, in time, and what is never is (D1)', () => {
    const step = fc.record({ waitMs: fc.nat(400), take: fc.option(fc.nat(1_500)) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const time = new Time();
        const over = new Map<number, number>();
        const clock = { nowMs: () => 0, monotonicMs: () => time.nowMs };
        const deadlines = new Deadlines<Item>({
          clock,
          timers: time.timers,
          sweepMs: SWEEP_MS,
          isHopeless: () => true,
          over: ({ name }) => {
            expect(over.has(name)).toBe(false);
            over.set(name, time.nowMs);
          },
        });
        const items: { readonly item: Item; readonly takenMs: number }[] = [];
        const takes: { readonly atMs: number; readonly item: Item }[] = [];
        let atMs = 0;
        const takeUntil = (ms: number): void => {
          for (const take of takes.splice(0).sort((left, right) => left.atMs - right.atMs)) {
            if (take.atMs > ms) takes.push(take);
            else {
              time.runTo(take.atMs);
              expect(deadlines.delete(take.item)).toBe(!over.has(take.item.name));
            }
          }
          time.runTo(ms);
        };
        steps.forEach(({ waitMs, take }, name) => {
          atMs += waitMs;
          takeUntil(atMs);
          const item = { untilMs: time.nowMs + LASTS_MS, name, isOpen: false };
          deadlines.add(item);
          expect(over.has(name)).toBe(false);
          const takenMs = take === null ? Infinity : time.nowMs + take;
          items.push({ item, takenMs });
          if (take !== null) takes.push({ atMs: takenMs, item });
        });
        takeUntil(atMs + 10_000);
        for (const { item, takenMs } of items) {
          const overMs = over.get(item.name) ?? Infinity;
          expect(overMs).toBeGreaterThanOrEqual(item.untilMs);
          if (takenMs < item.untilMs) expect(overMs).toBe(Infinity);
          if (takenMs > item.untilMs + SWEEP_MS) expect(overMs).toBeLessThanOrEqual(item.untilMs + SWEEP_MS);
        }
        expect(deadlines.size).toBe(0);
      }),
    );
  });

  it('are put off while there is hope, each for itself', () => {
    const time = new Time();
    const clock = { nowMs: () => 0, monotonicMs: () => time.nowMs };
    const over: string[] = [];
    const deadlines = new Deadlines<Item>({
      clock,
      timers: time.timers,
      sweepMs: SWEEP_MS,
      isHopeless: ({ name }, nowMs) => nowMs >= name * 10_000,
      over: ({ name }) => over.push(`${String(name)} at ${String(time.nowMs)}`),
    });
    const items = [0, 1, 2].map((name) => ({ untilMs: LASTS_MS, name, isOpen: false }));
    for (const item of items) deadlines.add(item);
    time.runTo(9_000);
    expect(over).toEqual(['0 at 1000']);
    expect(deadlines.size).toBe(2);
    expect(items.map((item) => deadlines.delete(item))).toEqual([false, true, true]);
    deadlines.add({ untilMs: 10_000, name: 1, isOpen: false });
    time.runTo(30_000);
    expect(over).toEqual(['0 at 1000', '1 at 10000']);
  });

  it('are kept beside what is added when another one is over (D1)', () => {
    const time = new Time();
    const clock = { nowMs: () => 0, monotonicMs: () => time.nowMs };
    const over: string[] = [];
    const deadlines: Deadlines<Item> = new Deadlines<Item>({
      clock,
      timers: time.timers,
      sweepMs: SWEEP_MS,
      isHopeless: () => true,
      over: ({ name }) => {
        over.push(`${String(name)} at ${String(time.nowMs)}`);
        if (name === 0) deadlines.add({ untilMs: time.nowMs + LASTS_MS, name: 2, isOpen: false });
      },
    });
    deadlines.add({ untilMs: LASTS_MS, name: 0, isOpen: false });
    time.runTo(300);
    deadlines.add({ untilMs: 300 + LASTS_MS, name: 1, isOpen: false });
    time.runTo(9_000);
    expect(over).toEqual(['0 at 1000', '1 at 1300', '2 at 2000']);
  });

  it('need one timer for all, however many there are (D2)', () => {
    const time = new Time();
    const clock = { nowMs: () => 0, monotonicMs: () => time.nowMs };
    let count = 0;
    const deadlines = new Deadlines<Item>({
      clock,
      timers: time.timers,
      sweepMs: SWEEP_MS,
      isHopeless: () => true,
      over: () => {
        count += 1;
      },
    });
    for (let name = 0; name < 10_000; name += 1) {
      time.runTo(name / 10);
      deadlines.add({ untilMs: time.nowMs + LASTS_MS, name, isOpen: false });
    }
    time.runTo(5_000);
    expect(count).toBe(10_000);
    expect(time.set).toBeLessThan(8);
  });

  it('are kept behind one that is not taken out, while thousands that come later are', () => {
    const time = new Time();
    const clock = { nowMs: () => 0, monotonicMs: () => time.nowMs };
    const over: number[] = [];
    const deadlines = new Deadlines<Item>({
      clock,
      timers: time.timers,
      sweepMs: SWEEP_MS,
      isHopeless: () => true,
      over: ({ name }) => over.push(name),
    });
    const items = Array.from({ length: 5_000 }, (_, name) => ({ untilMs: LASTS_MS, name, isOpen: false }));
    for (const item of items) {
      deadlines.add(item);
      // One in a thousand stays.
      if (item.name % 1_000 !== 0) expect([deadlines.delete(item), deadlines.delete(item)]).toEqual([true, false]);
    }
    expect(deadlines.size).toBe(5);
    time.runTo(LASTS_MS);
    expect(over).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
    expect(deadlines.size).toBe(0);
  });
});
