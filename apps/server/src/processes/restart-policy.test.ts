import { describe, expect, it } from 'vitest';
import { describeEnding, nextStart, type Ending } from './restart-policy.ts';

const limits = { firstMs: 100, mostMs: 1_000, steadyMs: 30_000 };
const killed: Ending = { code: null, signal: 'SIGKILL', servedMs: 5, wasAsked: false };

/** The waits of endings one after the other. */
function delays(endings: readonly Ending[]): number[] {
  let failures = 0;
  return endings.map((ending) => {
    const next = nextStart(failures, ending, limits);
    ({ failures } = next);
    return next.delayMs;
  });
}

describe('a process that ended', () => {
  it('is started again, later each time, but never later than the most', () => {
    expect(delays([killed, killed, killed, killed, killed, killed])).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('has made good for what was before when it served for a steady time', () => {
    expect(delays([killed, killed, { ...killed, servedMs: 30_000 }, killed])).toEqual([100, 200, 100, 200]);
    expect(delays([killed, killed, { ...killed, servedMs: 29_999 }])).toEqual([100, 200, 400]);
    expect(delays([killed, { ...killed, servedMs: null }])).toEqual([100, 200]);
  });

  it('is started again at once when it was told to stop and did', () => {
    const asked: Ending = { code: 0, signal: null, servedMs: 5, wasAsked: true };
    expect(delays([killed, asked, killed])).toEqual([100, 0, 100]);
    expect(
      delays([
        { ...asked, code: 1 },
        { ...asked, wasAsked: false },
      ]),
    ).toEqual([100, 200]);
  });

  it('says why', () => {
    expect(describeEnding(killed)).toBe('it was ended by SIGKILL');
    expect(describeEnding({ ...killed, code: 1, signal: null })).toBe('it ended with exit code 1');
    expect(describeEnding({ ...killed, code: 0, signal: null, wasAsked: true })).toBe('it was told to stop');
  });
});
