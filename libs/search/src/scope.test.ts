import { describe, expect, it } from 'vitest';
import { room, seen } from './conformance/messages.ts';
import { visibleOf } from './scope.ts';

const visible = (intervals: readonly (readonly [number, number])[], hidden: readonly number[] = []) =>
  visibleOf(seen(room, intervals, hidden)).map(({ from, to }) => [from, to]);

describe('what is visible', () => {
  it('is intervals in order that do not touch', () => {
    expect(
      visible([
        [7, 9],
        [1, 3],
        [4, 5],
        [8, 12],
        [20, 19],
      ]),
    ).toEqual([
      [1, 5],
      [7, 12],
    ]);
  });

  it('has no hidden seq', () => {
    expect(
      visible(
        [
          [1, 5],
          [8, 9],
        ],
        [9, 3, 3, 1, 5, 7, 99],
      ),
    ).toEqual([
      [2, 2],
      [4, 4],
      [8, 8],
    ]);
    expect(visible([[4, 4]], [4])).toEqual([]);
    expect(visible([], [4])).toEqual([]);
  });
});
