import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Slabs } from './slabs.ts';

describe('slabs', () => {
  it('hold what was copied into them, each array apart from the others', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 60 }), (arrays) => {
        const slabs = new Slabs(64, 32);
        const copies = arrays.map((bytes) => slabs.copyOf(bytes));
        copies.forEach((copy, index) => {
          expect([...copy]).toEqual([...(arrays[index] ?? [])]);
        });
        for (const copy of copies) copy.fill(7);
        // No array is part of another one, nor of what was copied.
        arrays.forEach((bytes, index) => {
          expect(copies[index]).toHaveLength(bytes.length);
          expect(copies[index]?.buffer).not.toBe(bytes.buffer);
        });
        expect(copies.every((copy) => copy.every((byte) => byte === 7))).toBe(true);
      }),
    );
  });

  it('share memory among what is small, and only that', () => {
    const slabs = new Slabs(64, 32);
    const [one, other, large] = [10, 20, 33].map((length) => slabs.copyOf(new Uint8Array(length)));
    expect(one?.buffer).toBe(other?.buffer);
    expect(large?.buffer).not.toBe(one?.buffer);
    expect(large?.buffer.byteLength).toBe(33);
  });
});
