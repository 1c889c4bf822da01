import type { ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { PauseBook } from './pause-book.ts';

const pause = (seconds: number, ms: number) => ({
  ms,
  at: new Date(seconds * 1_000).toISOString(),
  sender: 's',
  conversation: 'c' as ConversationId,
});

describe('the pauses of a load', () => {
  it('are told of a calm second, too, after one with many long ones', () => {
    const book = new PauseBook();
    for (let count = 0; count < 1_000; count += 1) book.add(pause(1, 500 + count));
    book.add(pause(9, 25));
    book.add(pause(9, 40));
    expect(book.pauses.map(({ ms }) => ms)).toEqual([
      ...[1_499, 1_498, 1_497, 1_496, 1_495, 1_494, 1_493, 1_492],
      ...[40, 25],
    ]);
  });

  it('are not kept for ever', () => {
    const book = new PauseBook();
    for (let second = 0; second < 5_000; second += 1) book.add(pause(second, 30));
    expect(book.pauses).toHaveLength(3_600);
    expect(book.pauses[0]).toEqual(pause(1_400, 30));
  });
});
