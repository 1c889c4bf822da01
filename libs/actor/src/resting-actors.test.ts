import { describe, expect, it } from 'vitest';
import { RestingActors } from './resting-actors.ts';

const actor = (weight: number) => ({ weight });

describe('RestingActors', () => {
  it('forgets the least recently rested ones over the number allowed (I9)', () => {
    const resting = new RestingActors({ actorsMax: 2, weightMax: 100 });
    for (const key of ['a', 'b', 'c']) resting.rest(key, actor(1), 1);
    expect(resting.size).toBe(2);
    expect(resting.wake('a')).toBeUndefined();
    expect(resting.wake('c')).toBeDefined();
  });

  it('forgets by weight, too, and never keeps one that is heavier than all of it (I9)', () => {
    const resting = new RestingActors({ actorsMax: 10, weightMax: 10 });
    resting.rest('a', actor(6), 1);
    resting.rest('b', actor(6), 1);
    expect(resting.wake('a')).toBeUndefined();
    expect(resting.wake('b')).toBeDefined();
    resting.rest('giant', actor(11), 1);
    expect(resting.size).toBe(0);
  });

  it('hands an actor out once: it has a single writer (I2)', () => {
    const resting = new RestingActors({ actorsMax: 10, weightMax: 10 });
    const one = actor(1);
    resting.rest('a', one, 1);
    expect(resting.wake('a')).toBe(one);
    expect(resting.wake('a')).toBeUndefined();
  });

  it('forgets just the actors of a lost partition, and only those that still rest there', () => {
    const resting = new RestingActors({ actorsMax: 3, weightMax: 10 });
    for (const key of ['gone', 'one', 'awake']) resting.rest(key, actor(1), 1);
    resting.rest('other', actor(1), 2);
    expect(resting.has('gone')).toBe(false);
    resting.wake('awake');
    // The same key may have come to another home meanwhile, and is not forgotten with the first.
    resting.rest('awake', actor(1), 2);
    resting.forget(1);
    expect(['gone', 'one', 'awake', 'other'].filter((key) => resting.has(key))).toEqual(['awake', 'other']);
    resting.rest('other', actor(2), 1);
    resting.forget(2);
    expect(['awake', 'other'].filter((key) => resting.has(key))).toEqual(['other']);
    resting.forget(1);
    expect(resting.size).toBe(0);
  });

  it('keeps nothing of one that is too heavy (I9)', () => {
    const resting = new RestingActors({ actorsMax: 3, weightMax: 10 });
    resting.rest('giant', actor(11), 1);
    resting.forget(1);
    expect(resting.size).toBe(0);
  });

  it('takes its only actor out at a cost that does not depend on how many it may hold', () => {
    const resting = new RestingActors<string, { weight: number }>({ actorsMax: 1_000_000, weightMax: 1_000_000 });
    const actor = { weight: 1 };
    const startedMs = performance.now();
    for (let times = 0; times < 5_000; times += 1) {
      resting.rest('a', actor, 0);
      expect(resting.wake('a')).toBe(actor);
    }
    // Some 8 s when the cache is emptied each time; some 10 ms when it is not.
    expect(performance.now() - startedMs).toBeLessThan(4_000);
    expect(resting.size).toBe(0);
  });
});
