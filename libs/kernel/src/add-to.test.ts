import { describe, expect, it } from 'vitest';
import { addTo } from './add-to.ts';

describe('addTo', () => {
  it('adds to the list of a key, which it begins', () => {
    const lists = new Map([['a', [1]]]);
    addTo(lists, 'a', 2);
    addTo(lists, 'b', 3);
    expect(lists).toEqual(
      new Map([
        ['a', [1, 2]],
        ['b', [3]],
      ]),
    );
  });
});
