import { describe, expect, it } from 'vitest';
import { hash32, hash32Of } from './hash.ts';

describe('hash32', () => {
  // Where an actor lives follows from it: these numbers must never change.
  it.each([
    ['', 2872998923],
    ['a', 444641715],
    ['user-1', 2005895916],
    ['user-1!user-2', 381289774],
    ['ü€🙂', 4069796330],
    ['\ud800', 1463727854],
    ['x'.repeat(200), 3644158961],
  ])('of %j is what it always was', (text, hash) => {
    expect(hash32(text)).toBe(hash);
    expect(hash32(`<${text}>`.slice(1, -1))).toBe(hash);
    expect(hash32Of('', `<${text}>`, 1, text.length + 1)).toBe(hash);
    expect(hash32Of(text, 'x', 1, 1)).toBe(hash);
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(hash32Of(text.slice(0, cut), text, cut, text.length)).toBe(hash);
    }
  });
});
