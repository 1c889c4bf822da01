import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextReason, type DiffusionLimits, type Extent, type ReadReason } from './mode.ts';

const limits: fc.Arbitrary<DiffusionLimits> = fc
  .tuple(fc.integer({ min: 1, max: 300 }), fc.nat(300), fc.integer({ min: 1, max: 300 }), fc.nat(300))
  .map(([writeBelow, band, writeBelowLoad, bandLoad]) => ({
    ...{ writeBelow, readAbove: writeBelow + band },
    ...{ writeBelowLoad, readAboveLoad: writeBelowLoad + bandLoad },
  }));
const reason = fc.constantFrom<(ReadReason | null)[]>(null, 'size', 'load');
const extent: fc.Arbitrary<Extent> = fc.record({ members: fc.nat(700), load: fc.nat(700) });

describe('the mode of diffusion', () => {
  it('is read above either upper bound, write below both lower ones', () => {
    fc.assert(
      fc.property(reason, extent, limits, (before, now, bounds) => {
        const after = nextReason(before, now, bounds);
        if (now.members > bounds.readAbove) expect(after).toBe('size');
        else if (now.load > bounds.readAboveLoad) expect(after).not.toBe(null);
        if (now.members < bounds.writeBelow && now.load < bounds.writeBelowLoad) expect(after).toBe(null);
      }),
    );
  });

  it('between the bounds is what it was, and each reason goes by its own', () => {
    fc.assert(
      fc.property(reason, limits, fc.nat(600), fc.nat(600), (before, bounds, more, busier) => {
        const { readAbove, writeBelow, readAboveLoad, writeBelowLoad } = bounds;
        const members = writeBelow + (more % (readAbove - writeBelow + 1));
        const load = writeBelowLoad + (busier % (readAboveLoad - writeBelowLoad + 1));
        expect(nextReason(before, { members, load }, bounds)).toBe(before);
        // A quiet one that was busy is put into inboxes again, though it is not small.
        expect(nextReason('load', { members, load: writeBelowLoad - 1 }, bounds)).toBe(null);
        expect(nextReason('size', { members, load: writeBelowLoad - 1 }, bounds)).toBe('size');
        expect(nextReason('size', { members: writeBelow - 1, load }, bounds)).toBe('load');
      }),
    );
  });

  it('does not change again by itself', () => {
    fc.assert(
      fc.property(reason, extent, limits, (before, now, bounds) => {
        const after = nextReason(before, now, bounds);
        expect(nextReason(after, now, bounds)).toBe(after);
      }),
    );
  });
});
