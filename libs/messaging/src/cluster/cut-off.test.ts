import { describe, expect, it } from 'vitest';
import { isCutOff, LAPSE_MS_MIN } from './cut-off.ts';

const lapsed = { holdsLease: false, lapsedMs: LAPSE_MS_MIN, reachesStore: false, elsewhere: 'serves' } as const;

describe('a node is cut off', () => {
  it('when it lost its lease and another one serves', () => {
    expect(isCutOff(lapsed, false)).toBe(true);
  });

  it('when it lost its lease and others cannot be asked whether they serve', () => {
    expect(isCutOff({ ...lapsed, elsewhere: 'unknown' }, false)).toBe(true);
  });

  it('never when it is alone, or when no other one serves: Redis is away for all of them', () => {
    expect(isCutOff({ ...lapsed, lapsedMs: 3_600_000, elsewhere: 'none' }, false)).toBe(false);
  });

  it('never when the store answers it: it was too busy to renew its lease, and the next one would be, too', () => {
    expect(isCutOff({ ...lapsed, lapsedMs: 3_600_000, reachesStore: true }, false)).toBe(false);
  });

  it('not at once, for a node that stood still has its lease again as soon as it asked', () => {
    expect(isCutOff({ ...lapsed, lapsedMs: LAPSE_MS_MIN - 1 }, false)).toBe(false);
  });

  it('until it holds the lease again, whatever becomes of the others', () => {
    expect(isCutOff({ ...lapsed, elsewhere: 'none' }, true)).toBe(true);
    expect(isCutOff({ ...lapsed, holdsLease: true }, true)).toBe(false);
  });
});
