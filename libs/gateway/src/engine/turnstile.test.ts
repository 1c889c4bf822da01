import type { Timers } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Turnstile, type Accepted } from './turnstile.ts';

/** Time that passes when a test says so. */
class Time implements Pick<Timers, 'after'> {
  #nowMs = 0;
  readonly #due: { readonly atMs: number; readonly run: () => void }[] = [];

  after(delayMs: number, run: () => void): () => void {
    this.#due.push({ atMs: this.#nowMs + delayMs, run });
    return () => undefined;
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let first = this.#due[0]; first !== undefined && first.atMs <= untilMs; first = this.#due[0]) {
      this.#due.shift();
      this.#nowMs = first.atMs;
      first.run();
    }
    this.#nowMs = untilMs;
  }
}

const LIMITS = { entering: 3, everyMs: 20, waitMs: 200 };

class AConnection implements Accepted {
  isPaused = false;
  wasResumed = false;
  isGone = false;
  #gone: () => void = () => undefined;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (this.isGone) throw new Error('it is gone');
    expect(this.isPaused).toBe(true);
    [this.isPaused, this.wasResumed] = [false, true];
  }

  onAborted(gone: () => void): void {
    this.#gone = gone;
  }

  go(): void {
    this.isGone = true;
    this.#gone();
  }
}

const aCrowd = (count: number): { time: Time; turnstile: Turnstile; crowd: readonly AConnection[] } => {
  const time = new Time();
  const turnstile = new Turnstile(time, LIMITS);
  const crowd = Array.from({ length: count }, () => new AConnection());
  for (const each of crowd) turnstile.accepted(each);
  return { time, turnstile, crowd };
};

const paused = (crowd: readonly AConnection[]): readonly number[] =>
  crowd.flatMap(({ isPaused }, index) => (isPaused ? [index] : []));

describe('the turnstile', () => {
  it('lets a few in at once, and the others in their order, one for each that has got in', () => {
    const { turnstile, crowd } = aCrowd(6);
    expect(paused(crowd)).toEqual([3, 4, 5]);
    turnstile.entered();
    expect(paused(crowd)).toEqual([4, 5]);
    turnstile.entered();
    turnstile.entered();
    expect(paused(crowd)).toEqual([]);
  });

  it('lets as many more in when time has passed, and counts those who took longer for no others', () => {
    const { time, turnstile, crowd } = aCrowd(12);
    time.advance(19);
    expect(paused(crowd)).toHaveLength(9);
    time.advance(1);
    expect(paused(crowd)).toEqual([6, 7, 8, 9, 10, 11]);
    // The first three are late: what gets in now is taken for them.
    for (let count = 0; count < 3; count += 1) turnstile.entered();
    expect(paused(crowd)).toHaveLength(6);
    turnstile.entered();
    expect(paused(crowd)).toEqual([7, 8, 9, 10, 11]);
  });

  it('lets more of many in, so that none waits for much longer than it may, though nobody gets in', () => {
    const { time, crowd } = aCrowd(103);
    time.advance(20);
    expect(paused(crowd)).toHaveLength(90);
    time.advance(20);
    expect(paused(crowd)).toHaveLength(81);
    time.advance(2 * LIMITS.waitMs);
    expect(paused(crowd)).toHaveLength(0);
  });

  it('does not touch who has gone while it waited', () => {
    const { time, turnstile, crowd } = aCrowd(6);
    crowd[3]?.go();
    turnstile.entered();
    expect(paused(crowd)).toEqual([3, 5]);
    time.advance(100);
    expect(crowd.map(({ wasResumed }) => wasResumed)).toEqual([false, false, false, false, true, true]);
  });

  it('touches nobody any more when it is stopped', () => {
    const { time, turnstile, crowd } = aCrowd(6);
    turnstile.stop();
    turnstile.entered();
    time.advance(100);
    const late = new AConnection();
    turnstile.accepted(late);
    expect(paused([...crowd, late])).toEqual([3, 4, 5]);
  });

  it('keeps nobody for ever, whatever the others do, and lets none past who came before', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('accept' as const) }),
      fc.record({ do: fc.constant('enter' as const) }),
      fc.record({ do: fc.constant('go' as const), which: fc.nat(40) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { time, turnstile } = aCrowd(0);
        const all: AConnection[] = [];
        for (const each of steps) {
          if (each.do === 'accept') {
            all.push(new AConnection());
            turnstile.accepted(all.at(-1) as AConnection);
          } else if (each.do === 'enter') turnstile.entered();
          else if (each.do === 'go') all[each.which]?.go();
          else time.advance(each.ms);
          const here = all.filter(({ isGone }) => !isGone);
          const first = here.findIndex(({ isPaused }) => isPaused);
          if (first >= 0) expect(here.slice(first).every(({ isPaused }) => isPaused)).toBe(true);
        }
        time.advance(LIMITS.everyMs * (Math.ceil(all.length / LIMITS.entering) + 1));
        expect(all.filter(({ isPaused, isGone }) => isPaused && !isGone)).toEqual([]);
      }),
    );
  });
});
