import { describe, expect, it } from 'vitest';
import { RestingActors } from './resting-actors.ts';

const actor = (weight: number) => ({ weight });

describe('RestingActors', () => {
  it('forgets the least recently rested ones over the number allowed (I9)', () => {
    const resting = new RestingActors({ actorsMax: 2, weightMax: 100 });
    for (const key of ['a', 'b', 'c']) resting.rest(key, actor(1));
    expect(resting.size).toBe(2);
    expect(resting.wake('a')).toBeUndefined();
    expect(resting.wake('c')).toBeDefined();
  });

  it('forgets by weight, too, and never keeps one that is heavier than all of it (I9)', () => {
    const resting = new RestingActors({ actorsMax: 10, weightMax: 10 });
    resting.rest('a', actor(6));
    resting.rest('b', actor(6));
    expect(resting.wake('a')).toBeUndefined();
    expect(resting.wake('b')).toBeDefined();
    resting.rest('giant', actor(11));
    expect(resting.size).toBe(0);
  });

  it('hands an actor out once: it has a single writer (I2)', () => {
    const resting = new RestingActors({ actorsMax: 10, weightMax: 10 });
    const one = actor(1);
    resting.rest('a', one);
    expect(resting.wake('a')).toBe(one);
    expect(resting.wake('a')).toBeUndefined();
  });

  it('forgets just the actors of a lost partition', () => {
    const resting = new RestingActors({ actorsMax: 10, weightMax: 10 });
    for (const key of ['p1:a', 'p2:a', 'p1:b']) resting.rest(key, actor(1));
    resting.forget((key) => key.startsWith('p1:'));
    expect(resting.size).toBe(1);
    expect(resting.wake('p2:a')).toBeDefined();
  });

  it('takes its only actor out at a cost that does not depend on how many it may hold', () => {
    const resting = new RestingActors<string, { weight: number }>({ actorsMax: 1_000_000, weightMax: 1_000_000 });
    const actor = { weight: 1 };
    const startedMs = performance.now();
    for (let times = 0; times < 20_000; times += 1) {
      resting.rest('a', actor);
      expect(resting.wake('a')).toBe(actor);
    }
    // Some 30 s when the cache is emptied each time; some 30 ms when it is not.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(resting.size).toBe(0);
  });
});
