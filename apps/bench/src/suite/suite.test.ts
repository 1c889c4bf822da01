import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBenchOptions } from '../options.ts';
import { performancePage, type PerformancePage } from './performance-page.ts';
import { readSuite, resumed, stepsLeft, whyNotPublished, writeSuite, type SuiteState } from './suite-state.ts';
import { minutesOf, suiteSteps } from './suite-steps.ts';
import { reachedBy, targets } from './targets-reached.ts';

describe('the suite', () => {
  it('takes less than 40 minutes, and longer with the large ones', () => {
    expect(minutesOf(suiteSteps(false, []))).toBeLessThan(40);
    expect(minutesOf(suiteSteps(true, []))).toBeGreaterThan(40);
  });

  it('has only options that the bench takes', () => {
    for (const { workload, args } of [...suiteSteps(false, []), ...suiteSteps(true, [])]) {
      expect(parseBenchOptions([workload, ...args])).toMatchObject({ ok: true, value: { workload } });
    }
  });

  it('has each step once, with a longer one in the place of the short one', () => {
    const names = suiteSteps(true, []).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['idle', 'crossing', 'burst']));
    expect(suiteSteps(true, ['idle'])[0]?.args).toContain('--long');
    expect(() => suiteSteps(false, ['crossing'])).toThrow(/The suite has no crossing; it has direct, group/);
  });

  it('measures everything that has a target', () => {
    const names = suiteSteps(false, []).map(({ name }) => name);
    expect(targets.filter(({ step }) => !names.includes(step))).toEqual([]);
  });

  it('hands on what was given of a measurement, and nothing else', () => {
    const options = parseBenchOptions(['all', '--scale', '0.1', '--only', 'disk', '--anew', '--seconds', '2']);
    expect(options).toMatchObject({
      ok: true,
      value: { given: ['--seconds', '2', '--scale', '0.1'], only: ['disk'], anew: true, long: false },
    });
  });
});

const asked = { commit: 'abc', given: [], long: false, loadAverage: 0.1 };
const done = { at: '2026-01-02T03:04:05Z', args: ['direct', '--rounds', '5'], seconds: 90, ok: true };
const stateWith = (steps: SuiteState['steps'], other: Partial<SuiteState> = {}): SuiteState => ({
  commit: 'abc',
  given: [],
  long: false,
  loadAverages: [0.2],
  steps,
  ...other,
});

describe('a suite that was ended', () => {
  const names = ['direct', 'disk'];
  it('goes on where it was, and does again what failed', () => {
    const former = stateWith({ direct: done, disk: { ...done, ok: false } });
    const state = resumed(former, asked, names, false);
    expect(state).toMatchObject({ steps: former.steps, loadAverages: [0.2, 0.1] });
    expect(stepsLeft([{ name: 'direct' }, { name: 'disk' }], state)).toEqual([{ name: 'disk' }]);
  });

  it.each<[string, SuiteState | null, boolean]>([
    ['when there was none', null, false],
    ['when it was told to', stateWith({ direct: done }), true],
    ['when it is over', stateWith({ direct: done, disk: done }), false],
    ['when the sources are others', stateWith({ direct: done }, { commit: 'def' }), false],
    ['when the settings are others', stateWith({ direct: done }, { given: ['--scale', '0.1'] }), false],
    ['when it is another suite', stateWith({ direct: done }, { long: true }), false],
  ])('begins anew %s', (_when, former, isAnew) => {
    expect(resumed(former, asked, names, isAnew)).toEqual(stateWith({}, { loadAverages: [0.1] }));
  });

  describe('on disk', () => {
    let dir = '';
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'millrace-suite-'));
    });
    afterEach(() => {
      rmSync(dir, { recursive: true, force: true });
    });

    it('is found again, and one that cannot be read is none', () => {
      const path = join(dir, 'deep', 'suite.json');
      expect(readSuite(path)).toBe(null);
      writeSuite(path, stateWith({ direct: done }));
      expect(readSuite(path)).toEqual(stateWith({ direct: done }));
      writeFileSync(path, '{"commit"');
      expect(readSuite(path)).toBe(null);
    });
  });
});

describe('figures', () => {
  const names = ['direct'];
  it('are for the documentation when all went well on a quiet machine', () => {
    expect(whyNotPublished(stateWith({ direct: done }), names, names)).toBe(null);
  });

  it.each<[string, SuiteState, readonly string[], RegExp]>([
    ['of other settings', stateWith({ direct: done }, { given: ['--scale', '0.1'] }), names, /settings of its own/],
    ['of a part', stateWith({ direct: done }), ['direct', 'disk'], /not all of it was run: disk/],
    ['of what failed', stateWith({ direct: { ...done, ok: false } }), names, /not all went well: direct/],
    ['of a busy machine', stateWith({ direct: done }, { loadAverages: [0.1, 3.2] }), names, /load average of 3\.2/],
    ['of changed sources', stateWith({ direct: done }, { commit: 'abc+' }), names, /not those of a commit/],
  ])('%s are none for it', (_what, state, all, why) => {
    expect(whyNotPublished(state, names, all)).toMatch(why);
  });

  it('are held against what is wanted', () => {
    const reports = {
      direct: {
        ratio: { parts: { 'direct saturated': { throughput: 0.6 } } },
        median: { parts: { 'direct saturated': { cpuMicrosPerMessage: { node: 20, redis: 11 } } } },
      },
      idle: { ratio: { bytesAboveFloor: 5_000 } },
      memory: { median: { memory: null } },
    };
    const reached = reachedBy(reports);
    const found = (step: string, what: RegExp) =>
      reached.find((one) => one.step === step && what.test(one.what)) ?? { value: undefined, ok: undefined };
    expect(found('direct', /^saturated/)).toMatchObject({ value: 0.6, ok: true });
    expect(found('direct', /CPU of node and Redis/)).toMatchObject({ value: 31, ok: false });
    expect(found('idle', /./)).toMatchObject({ value: 5_000, ok: false });
    expect(found('memory', /inbox/)).toMatchObject({ value: null, ok: null });
  });
});

describe('the page', () => {
  const page: PerformancePage = {
    commit: 'abc',
    machine: { cpu: 'a CPU', cores: 2, memoryGiB: 8, system: 'Linux', node: '20', redis: 'redis 7.0.15' },
    loadAverages: [0.1],
    command: 'npm run bench -- all',
    whyNotPublished: null,
    steps: [{ name: 'direct', done, text: 'a table\n', notMeasured: ['Networks.', 'Networks.'] }],
    reached: reachedBy({ direct: { ratio: { parts: { 'direct saturated': { throughput: 0.6 } } } } }),
  };

  it('has the figures, where they are from, how to get them again, and what they do not show', () => {
    const text = performancePage(page);
    expect(text).toContain('Written by `npm run bench -- all`, and not by hand');
    expect(text).toMatch(/^\| direct +\| saturated, to ws-floor +\| ≥ 0\.5 +\| 0\.60 +\| yes +\|$/m);
    expect(text).toContain('```text\na table\n```');
    expect(text).toContain('`npm run bench -- direct --rounds 5`, 1.5 minutes');
    expect(text).toContain('on 2026-01-02 at commit abc');
    expect(text.match(/^- Networks\.$/gm)).toHaveLength(1);
    expect(text).not.toContain('no figures to go by');
    // What was not run is not in it.
    expect(text).not.toMatch(/^\| idle/m);
  });

  it('says so when its figures are none to go by', () => {
    const text = performancePage({ ...page, whyNotPublished: 'the machine was busy' });
    expect(text).toContain('**These are no figures to go by:** the machine was busy.');
  });
});
