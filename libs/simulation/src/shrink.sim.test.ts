import { describe, expect, it } from 'vitest';
import { shrink } from './shrink.ts';
import { simulate, type SimulationOptions, type SimulationReport } from './simulate.ts';

const SEED = 3;
const SEEDS_MAX = 50;

/** The run as it is, and wrong, by what a test says, where some faults are in it. */
const wrongAfter =
  (words: readonly string[], said = 'seen at 1') =>
  async (seed: number, options: SimulationOptions): Promise<SimulationReport> => {
    const report = await simulate(seed, options);
    const isWrong = words.every((word) => report.faults.some(({ what }) => what.includes(word)));
    return { ...report, violations: isWrong ? [`${said}${String(report.counts['acks'])}`] : [] };
  };

describe('a seed that goes wrong', () => {
  it('is shrunk to the faults and the world that it takes, and those show it again', async () => {
    const run = wrongAfter(['kill', 'pause']);
    const given = { faultEveryMs: 600 };
    // Which seeds do both, and more, and how far one of them can be shrunk, changes with what the program does.
    const left: number[] = [];
    for (let seed = 4; left.length < 3 && seed < SEEDS_MAX; seed += 1) {
      const whole = await run(seed, given);
      if (whole.violations.length === 0 || whole.faults.length < 5) continue;
      const shrunk = await shrink(seed, given, run);
      left.push(shrunk?.report.faults.length ?? 0);
      expect(left.at(-1)).toBeLessThan(whole.faults.length);
      expect(shrunk?.report.options.users).toBeLessThanOrEqual(whole.options.users);
      expect(shrunk?.runs).toBeGreaterThan(5);
      expect(await run(seed, shrunk?.options ?? {})).toEqual(shrunk?.report);
    }
    expect(left).toHaveLength(3);
    expect(left.sort((one, other) => one - other)[1], 'as a rule there is little left').toBeLessThan(4);
  }, 120_000);

  it('is not taken for one that goes wrong in another way', async () => {
    const [alike, otherwise] = [wrongAfter(['kill']), wrongAfter([], 'something else')];
    const run = async (seed: number, options: SimulationOptions): Promise<SimulationReport> => {
      const report = await alike(seed, options);
      return report.violations.length > 0 ? report : otherwise(seed, options);
    };
    const shrunk = await shrink(SEED, { faultEveryMs: 600 }, run);
    expect(shrunk?.report.faults.map(({ what }) => what).join()).toContain('kill');
  });

  it('is nothing to shrink when it goes right', async () => {
    expect(await shrink(SEED, {}, simulate)).toBeNull();
  });
});
