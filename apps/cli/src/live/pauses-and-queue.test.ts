import { describe, expect, it } from 'vitest';
import { PauseWatch, type Pause } from './pause-watch.ts';
import { SendQueue } from './send-queue.ts';

describe('the longest pause', () => {
  it('is counted from when something began to wait, and from ack to ack while more waits', () => {
    const watch = new PauseWatch();
    watch.waits(100);
    watch.waits(400);
    watch.acked(450, true);
    expect(watch.longest).toEqual({ ms: 350, fromMs: 100 });
    watch.acked(1_000, false);
    expect(watch.longest).toEqual({ ms: 550, fromMs: 450 });
  });

  it('does not run while nothing waits', () => {
    const watch = new PauseWatch();
    watch.waits(0);
    watch.acked(10, false);
    watch.waits(9_000);
    watch.acked(9_020, false);
    expect(watch.longest).toEqual({ ms: 20, fromMs: 9_000 });
  });

  it('counts what was never acknowledged up to the end', () => {
    const watch = new PauseWatch();
    watch.waits(5);
    watch.ended(905);
    expect(watch.longest).toEqual({ ms: 900, fromMs: 5 });
  });

  it('tells of each that is long enough', () => {
    const told: Pause[] = [];
    const watch = new PauseWatch(100, (pause) => told.push(pause));
    watch.waits(0);
    for (const ms of [99, 199, 450]) watch.acked(ms, true);
    expect(told).toEqual([
      { ms: 100, fromMs: 99 },
      { ms: 251, fromMs: 199 },
    ]);
  });
});

describe('the queue of a sender', () => {
  const queueOf = (messages: number): SendQueue => {
    const queue = new SendQueue({ window: 3, waitingMax: 5 });
    for (let count = 0; count < messages; count += 1) queue.write();
    return queue;
  };

  it('lets as many go as the window has room for, in order, and takes no more than may wait (I9)', () => {
    const queue = queueOf(5);
    expect(queue.write()).toBe(false);
    expect(queue.take()).toEqual([1, 2, 3].map((n) => ({ n, number: n })));
    expect(queue.take()).toEqual([]);
    expect(queue.acked(1)).toBe(1);
    expect(queue.acked(1)).toBe(null);
    expect(queue.take()).toEqual([{ n: 4, number: 4 }]);
    expect([queue.size, queue.written]).toEqual([4, 5]);
  });

  it('sends again, under the same counters, what was not answered (I4)', () => {
    const queue = queueOf(3);
    queue.take();
    queue.acked(1);
    expect(queue.unanswered()).toEqual([2, 3].map((n) => ({ n, number: n })));
  });

  it('skips what the server has lost, and gives no counter to another message (I4)', () => {
    const queue = queueOf(4);
    queue.take();
    queue.acked(1);
    queue.expects(1);
    expect(queue.unanswered()).toEqual([
      { n: 2, after: 0, number: 2 },
      { n: 3, number: 3 },
    ]);
    expect(queue.take()).toEqual([{ n: 4, number: 4 }]);
    queue.acked(2);
    expect(queue.unanswered().map(({ n, after }) => [n, after])).toEqual([
      [3, undefined],
      [4, undefined],
    ]);
  });

  it('skips nothing when the server waits for one of its own', () => {
    const queue = queueOf(3);
    queue.take();
    queue.expects(2);
    expect(queue.unanswered()).toEqual([1, 2, 3].map((n) => ({ n, number: n })));
  });
});
