import { describe, expect, it } from 'vitest';
import { LastFew } from './last-few.ts';

describe('the last few', () => {
  it('are made once each, and the oldest makes room for the next', () => {
    const made: string[] = [];
    const few = new LastFew<string, string>((one, other) => one === other, 2);
    const of = (key: string): string =>
      few.of(key, (asked) => {
        made.push(asked);
        return `${asked} ${String(made.length)}`;
      });
    expect(['a', 'b', 'a', 'b', 'c', 'b', 'a'].map(of)).toEqual(['a 1', 'b 2', 'a 1', 'b 2', 'c 3', 'b 2', 'a 4']);
  });

  it('keep nothing of what could not be made', () => {
    const few = new LastFew<number, number>((one, other) => one === other);
    const fail = (): number => {
      throw new Error('not now');
    };
    expect(() => few.of(1, fail)).toThrow('not now');
    expect(few.of(1, (key) => key + 1)).toBe(2);
  });
});
