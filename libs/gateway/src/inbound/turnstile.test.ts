import { describe, expect, it } from 'vitest';
import { ManualTime } from '../testing/manual-time.ts';
import { Turnstile } from './turnstile.ts';

const SLOW_MS = 100;
const aTurnstile = (atOnce: number, clock = new ManualTime()): Turnstile => new Turnstile(atOnce, SLOW_MS, clock);

describe('a turnstile', () => {
  it('lets nobody wait while there is room (T2)', () => {
    const turnstile = aTurnstile(2);
    for (const ticket of [turnstile.enter(), turnstile.enter()]) expect(ticket).not.toBeInstanceOf(Promise);
    expect(turnstile.enter()).toBeInstanceOf(Promise);
    expect(turnstile.waiting).toBe(1);
  });

  it('lets those who wait in when others leave, in the order in which they came (T1)', async () => {
    const turnstile = aTurnstile(2);
    const inside: number[] = [];
    let [count, most] = [0, 0];
    const come = async (who: number): Promise<void> => {
      const ticket = await turnstile.enter();
      count += 1;
      most = Math.max(most, count);
      inside.push(who);
      await Promise.resolve();
      count -= 1;
      turnstile.leave(ticket);
    };
    const everybody = Array.from({ length: 5_000 }, (_, who) => who);
    await Promise.all(everybody.map(come));
    expect(inside).toEqual(everybody);
    expect(most).toBe(2);
    expect(turnstile.waiting).toBe(0);
    // All places are free again.
    for (const ticket of [turnstile.enter(), turnstile.enter()]) expect(ticket).not.toBeInstanceOf(Promise);
  });

  it('gives the place of one that takes long to the next, and only once (T3)', async () => {
    const time = new ManualTime();
    const turnstile = aTurnstile(1, time);
    const slow = await turnstile.enter();
    const [second, third] = [turnstile.enter(), turnstile.enter()];
    await time.advance(SLOW_MS - 1);
    turnstile.sweep();
    expect(turnstile.waiting).toBe(2);
    await time.advance(1);
    turnstile.sweep();
    const ticket = await second;
    turnstile.leave(slow);
    expect(turnstile.waiting).toBe(1);
    turnstile.leave(ticket);
    turnstile.leave(await third);
    expect(turnstile.enter()).not.toBeInstanceOf(Promise);
  });
});
