import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextMode, type DiffusionLimits, type DiffusionMode } from './mode.ts';

const limits: fc.Arbitrary<DiffusionLimits> = fc
  .tuple(fc.integer({ min: 1, max: 300 }), fc.nat(300))
  .map(([writeBelow, band]) => ({ writeBelow, readAbove: writeBelow + band }));
const mode = fc.constantFrom<DiffusionMode>('write', 'read');
const count = fc.nat(700);

describe('the mode of diffusion', () => {
  it('is read above the one bound, write below the other, and between them what it was', () => {
    fc.assert(
      fc.property(mode, count, limits, (before, members, bounds) => {
        const after = nextMode(before, members, bounds);
        if (members > bounds.readAbove) expect(after).toBe('read');
        else if (members < bounds.writeBelow) expect(after).toBe('write');
        else expect(after).toBe(before);
      }),
    );
  });

  it('does not change again by itself', () => {
    fc.assert(
      fc.property(mode, count, limits, (before, members, bounds) => {
        const after = nextMode(before, members, bounds);
        expect(nextMode(after, members, bounds)).toBe(after);
      }),
    );
  });

  it('changes at most once on a way between the bounds, however the members come and go', () => {
    fc.assert(
      fc.property(mode, limits, fc.array(fc.nat(1_000)), (before, bounds, way) => {
        const band = bounds.readAbove - bounds.writeBelow + 1;
        let now = before;
        for (const step of way) {
          const next = nextMode(now, bounds.writeBelow + (step % band), bounds);
          expect(next).toBe(now);
          now = next;
        }
      }),
    );
  });
});
