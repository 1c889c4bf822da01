import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrackedMap, TrackedValue } from './tracked.ts';

type Op =
  | { readonly op: 'set'; readonly key: number; readonly value: number }
  | { readonly op: 'delete'; readonly key: number }
  | { readonly op: 'settle' | 'restore' };

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('set' as const), key: fc.nat(6), value: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('delete' as const), key: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('settle' as const, 'restore' as const) }) },
);

describe('TrackedMap', () => {
  it('is after restore what it was at the last settle, and tells just what changed since (I2)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(6), fc.nat(9))),
        fc.array(op, { maxLength: 60, size: 'max' }),
        (entries, ops) => {
          const map = new TrackedMap(entries);
          let base = new Map(entries);
          let model = new Map(entries);
          for (const each of ops) {
            if (each.op === 'set') {
              map.set(each.key, each.value);
              model.set(each.key, each.value);
            } else if (each.op === 'delete') {
              map.delete(each.key);
              model.delete(each.key);
            } else if (each.op === 'settle') {
              map.settle();
              base = new Map(model);
            } else {
              map.restore();
              model = new Map(base);
            }
            expect(new Map(map.entries())).toEqual(model);
            expect(map.size).toBe(model.size);
            // Whoever applies the changes to the base has the present state.
            const applied = new Map(base);
            for (const [key, value] of map.changes()) {
              if (value === undefined) applied.delete(key);
              else applied.set(key, value);
            }
            expect(applied).toEqual(model);
            if (!map.dirty) expect(model).toEqual(base);
          }
        },
      ),
    );
  });

  it('is clean after settle and after restore', () => {
    const map = new TrackedMap([['a', 1]]);
    map.delete('missing');
    expect(map.dirty).toBe(false);
    map.set('b', 2);
    expect(map.dirty).toBe(true);
    map.restore();
    expect(map.dirty).toBe(false);
    expect(map.has('b')).toBe(false);
    map.delete('a');
    map.settle();
    expect(map.dirty).toBe(false);
    map.restore();
    expect(map.has('a')).toBe(false);
  });
});

describe('TrackedValue', () => {
  it('goes back to its base until it is settled (I2)', () => {
    const value = new TrackedValue('a');
    value.value = 'b';
    expect([value.dirty, value.base]).toEqual([true, 'a']);
    value.restore();
    expect([value.value, value.dirty]).toEqual(['a', false]);
    value.value = 'c';
    value.settle();
    value.restore();
    expect([value.value, value.base, value.dirty]).toEqual(['c', 'c', false]);
  });
});
