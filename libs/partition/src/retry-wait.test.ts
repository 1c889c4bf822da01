import { describe, expect, it } from 'vitest';
import { RetryWait } from './retry-wait.ts';
import { HandDriven } from './testing/hand-driven.ts';

const limits = { msMin: 20, msMax: 250 };

function aWait() {
  const time = new HandDriven();
  const retry = new RetryWait(time.timers, limits);
  /** How long the next wait takes, in steps of a millisecond. */
  const waited = async (): Promise<number> => {
    let isOver = false;
    void retry.wait().then(() => {
      isOver = true;
    });
    const sinceMs = time.clock.monotonicMs();
    await time.settle();
    while (!isOver) await time.advance(1);
    return time.clock.monotonicMs() - sinceMs;
  };
  return { time, retry, waited };
}

describe('the wait between two tries', () => {
  it('is twice as long each time, up to its limit, and short again for something new', async () => {
    const { retry, waited } = aWait();
    const waits: number[] = [];
    for (let times = 0; times < 6; times += 1) waits.push(await waited());
    expect(waits).toEqual([20, 40, 80, 160, 250, 250]);
    retry.reset();
    expect(await waited()).toBe(20);
  });

  it('is over at once when somebody says so, and the next one is short', async () => {
    const { time, retry, waited } = aWait();
    for (let times = 0; times < 5; times += 1) await waited();
    let isOver = false;
    void retry.wait().then(() => {
      isOver = true;
    });
    await time.advance(10);
    expect(isOver).toBe(false);
    retry.wake();
    await time.settle();
    expect(isOver).toBe(true);
    expect(await waited()).toBe(20);
  });

  it('is left out once when that was said while the try was under way', async () => {
    const { retry, waited } = aWait();
    retry.wake();
    retry.wake();
    // In the next turn, which here comes with the next millisecond.
    expect([await waited(), await waited()]).toEqual([1, 40]);
  });

  it('knows nothing of what was said before the first try', async () => {
    const { retry, waited } = aWait();
    retry.wake();
    retry.reset();
    expect(await waited()).toBe(20);
  });
});
