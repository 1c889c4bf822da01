import { InvariantViolation } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { streamEntries } from './stream-reply.ts';

const read = (...ids: readonly string[]): readonly (readonly [number, number])[] =>
  streamEntries(
    ids.map((id) => [Buffer.from(id), [Buffer.from('e'), Buffer.from('x')]]),
    (first, second) => [first, second] as const,
  );

describe('entries of a stream', () => {
  it('have ids of two numbers, up to the largest that is safe', () => {
    const largest = Number.MAX_SAFE_INTEGER;
    expect(read('1-1', '0-7', '12-1000', `${String(largest)}-${String(largest)}`)).toEqual([
      [1, 1],
      [0, 7],
      [12, 1_000],
      [largest, largest],
    ]);
  });

  it('bring the value of their only field, and are a defect without one', () => {
    const data = Buffer.from([0, 255, 7]);
    expect(streamEntries([[Buffer.from('1-2'), [Buffer.from('e'), data]]], (_first, _second, value) => value)).toEqual([
      data,
    ]);
    expect(() => streamEntries([[Buffer.from('1-2'), []]], () => null)).toThrow(InvariantViolation);
  });
});
