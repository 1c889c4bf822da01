import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RareSet } from './rare-set.ts';

describe('a rare set', () => {
  it('is a set', () => {
    const step = fc.tuple(fc.constantFrom('add', 'delete', 'clear'), fc.nat(4));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const rare = new RareSet<number>();
        const set = new Set<number>();
        for (const [what, item] of steps) {
          if (what === 'add') {
            rare.add(item);
            set.add(item);
          } else if (what === 'delete') expect(rare.delete(item)).toBe(set.delete(item));
          else {
            rare.clear();
            set.clear();
          }
          expect([...rare]).toEqual([...set]);
          expect([rare.size, rare.has(item)]).toEqual([set.size, set.has(item)]);
        }
      }),
    );
  });
});
