import type { Timers } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { giveBackMemoryAtRest, isWorthCollecting, type MemoryLook } from './memory-at-rest.ts';

const MIB = 1_048_576;
const grown = { youngBytes: 128 * MIB, heapBytes: 200 * MIB };
const busy: MemoryLook = { utilization: 0.4, ...grown };
const atRest: MemoryLook = { utilization: 0.02, ...grown };

describe('isWorthCollecting', () => {
  it('is so where the young generation has grown, in a heap that is collected soon', () => {
    expect(isWorthCollecting(grown)).toBe(true);
    expect(isWorthCollecting({ ...grown, youngBytes: 32 * MIB })).toBe(false);
    expect(isWorthCollecting({ ...grown, heapBytes: 300 * MIB })).toBe(false);
  });
});

describe('giveBackMemoryAtRest', () => {
  /** @returns after which of these looks it collected, from 1. */
  function collectionsAt(looks: readonly MemoryLook[], stopBehind = Infinity): readonly number[] {
    let due: (() => void) | null = null;
    const timers: Timers = {
      after: (_delayMs, callback) => {
        due = callback;
        return () => {
          due = null;
        };
      },
      soon: () => undefined,
    };
    let at = 0;
    const collected: number[] = [];
    const stop = giveBackMemoryAtRest(
      timers,
      () => looks[at - 1] ?? busy,
      () => collected.push(at),
    );
    for (at = 1; at <= looks.length; at += 1) {
      const run = due as (() => void) | null;
      due = null;
      run?.();
      if (at === stopBehind) stop();
    }
    return collected;
  }

  it('waits until the process has been at rest for a while', () => {
    expect(collectionsAt([busy, atRest, busy, atRest, atRest, busy])).toEqual([5]);
  });

  it('collects again where it did not help, but not with each look', () => {
    expect(collectionsAt([atRest, atRest, atRest, atRest, atRest])).toEqual([2, 4]);
  });

  it('collects nothing where there is little to give back', () => {
    const small = { ...atRest, youngBytes: 16 * MIB };
    expect(collectionsAt([small, small, small])).toEqual([]);
  });

  it('looks no more once it is stopped', () => {
    expect(collectionsAt([busy, atRest, atRest, atRest], 2)).toEqual([]);
  });
});
