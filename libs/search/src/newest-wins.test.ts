import { describe, expect, it } from 'vitest';
import { isCut, laterThrough, mayPut, mayRemove, throughBehindCut, withCut } from './newest-wins.ts';

const held = (gen: number, rev: number, removed = false) => ({ gen, rev, removed });

describe('of one message', () => {
  it('the highest generation and then revision stands, and the same one may come again', () => {
    expect(mayPut({ gen: 1, rev: 0 }, null)).toBe(true);
    expect(mayPut({ gen: 1, rev: 2 }, held(1, 2))).toBe(true);
    expect(mayPut({ gen: 1, rev: 1 }, held(1, 2))).toBe(false);
    expect(mayPut({ gen: 1, rev: 9 }, held(2, 0))).toBe(false);
    expect(mayPut({ gen: 2, rev: 0 }, held(1, 9, true))).toBe(true);
  });

  it('a removal is not undone by what it removed', () => {
    expect(mayPut({ gen: 1, rev: 2 }, held(1, 2, true))).toBe(false);
    expect(mayPut({ gen: 1, rev: 3 }, held(1, 2, true))).toBe(true);
    expect(mayRemove({ gen: 1, rev: 2 }, held(1, 2))).toBe(true);
    expect(mayRemove({ gen: 1, rev: 1 }, held(1, 2))).toBe(false);
  });
});

describe('cuts', () => {
  it('say what was lost, and one that covers another one is enough', () => {
    const cuts = withCut(withCut([], { gen: 2, from: 81 }), { gen: 3, from: 90 });
    expect(isCut(cuts, { gen: 1, seq: 85 })).toBe(true);
    expect(isCut(cuts, { gen: 2, seq: 85 })).toBe(false);
    expect(isCut(cuts, { gen: 2, seq: 90 })).toBe(true);
    expect(isCut(cuts, { gen: 1, seq: 80 })).toBe(false);
    expect(withCut(cuts, { gen: 3, from: 90 })).toBe(cuts);
    expect(withCut(cuts, { gen: 4, from: 70 })).toEqual([{ gen: 4, from: 70 }]);
  });

  it('take back how far a conversation is indexed, which nothing else does', () => {
    expect(throughBehindCut({ gen: 1, seq: 100 }, { gen: 2, from: 81 })).toEqual({ gen: 2, seq: 80 });
    expect(throughBehindCut({ gen: 1, seq: 50 }, { gen: 2, from: 81 })).toEqual({ gen: 2, seq: 50 });
    expect(throughBehindCut({ gen: 2, seq: 99 }, { gen: 2, from: 81 })).toEqual({ gen: 2, seq: 99 });
    expect(laterThrough({ gen: 2, seq: 1 }, { gen: 1, seq: 9 })).toEqual({ gen: 2, seq: 1 });
    expect(laterThrough(null, { gen: 1, seq: 9 })).toEqual({ gen: 1, seq: 9 });
  });
});
