import { ok, err, type ConversationId, type Result } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { expiryTime, Lifetimes, lifetimeStepMs } from './lifetimes.ts';

const DAY_MS = 24 * 3_600_000;

function setUp(answer: Result<null, string> = ok(null)) {
  const time = { nowMs: 1_700_000_000_000 };
  const added: (readonly [ConversationId, number])[] = [];
  const lifetimes = new Lifetimes({
    jobs: {
      addExpiry: (conversation, dueAt) => {
        added.push([conversation, dueAt]);
        return Promise.resolve(answer);
      },
    },
    clock: { nowMs: () => time.nowMs, monotonicMs: () => 0 },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  const room = new AConversation('tea').created(['a', 'b']);
  const say = (): void => lifetimes.told(room.do(room.sendOf('a')).effects);
  const set = (lifetimeMs: number): void =>
    lifetimes.told(room.do({ t: 'settings', by: null, change: { lifetimeMs } }).effects);
  return { time, added, say, set };
}

describe('what has a lifetime', () => {
  it('is looked at when that is over, and a tenth later at most, or a second, or ten minutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5_000, max: 366 * DAY_MS }), fc.nat(10 * DAY_MS), (lifetimeMs, nowMs) => {
        const late = expiryTime(nowMs, lifetimeMs) - (nowMs + lifetimeMs);
        expect(late).toBeGreaterThan(0);
        expect(late).toBeLessThanOrEqual(Math.max(1_000, Math.min(600_000, lifetimeMs / 10)));
      }),
    );
    expect([5_000, 60_000, DAY_MS].map(lifetimeStepMs)).toEqual([1_000, 6_000, 600_000]);
  });

  it('has one job for all that is said within a step', () => {
    const { time, added, say, set } = setUp();
    say();
    expect(added).toEqual([]);
    set(60_000);
    // What is there already is looked at now.
    expect(added[0]).toEqual(['tea', time.nowMs]);
    for (let count = 0; count < 50; count += 1) say();
    expect(added).toHaveLength(2);
    time.nowMs += 6_000;
    for (let count = 0; count < 50; count += 1) say();
    expect(added).toHaveLength(3);
    set(0);
    say();
    time.nowMs += 60_000;
    say();
    expect(added).toHaveLength(3);
  });

  it('asks again with the next message when the queue did not take it', async () => {
    const { added, say, set } = setUp(err('it is away'));
    set(60_000);
    await Promise.resolve();
    say();
    expect(added).toHaveLength(3);
  });
});
