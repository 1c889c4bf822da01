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

  it('does not flap: it goes over to read only as size or load rises through the whole of its band', () => {
    const near = (lower: number, upper: number): fc.Arbitrary<number> =>
      fc.oneof(fc.integer({ min: Math.max(0, lower - 2), max: upper + 2 }), fc.nat(2 * upper));
    const run = limits.chain((bounds) => {
      const members = near(bounds.writeBelow, bounds.readAbove);
      const load = near(bounds.writeBelowLoad, bounds.readAboveLoad);
      return fc.tuple(fc.constant(bounds), fc.array(fc.record({ members, load }), { maxLength: 200 }));
    });
    fc.assert(
      fc.property(run, ([bounds, extents]) => {
        const { writeBelow, readAbove, writeBelowLoad, readAboveLoad } = bounds;
        let reason: ReadReason | null = null;
        let [isSizeHigh, isLoadHigh] = [false, false];
        for (const now of extents) {
          const [wasSizeHigh, wasLoadHigh, before] = [isSizeHigh, isLoadHigh, reason];
          isSizeHigh = now.members > readAbove || (wasSizeHigh && now.members >= writeBelow);
          isLoadHigh = now.load > readAboveLoad || (wasLoadHigh && now.load >= writeBelowLoad);
          const hasRisen = (isSizeHigh && !wasSizeHigh) || (isLoadHigh && !wasLoadHigh);
          reason = nextReason(before, now, bounds);
          if (before === null && reason !== null) expect(hasRisen).toBe(true);
          // And what is high stays pulled.
          if (isSizeHigh || isLoadHigh) expect(reason).not.toBe(null);
        }
      }),
    );
  });
});
