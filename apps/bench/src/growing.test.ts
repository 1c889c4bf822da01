import { describe, expect, it } from 'vitest';
import { HeardEntries } from './load/heard-entries.ts';
import { costOf, parseCalls } from './measure/redis-writes.ts';
import { parseBenchOptions } from './options.ts';
import { growthLines, growthPlots, medianGrowth, type GrowthPoint } from './report/growth.ts';
import { crossingPlan } from './workloads/crossing-shape.ts';
import { hugeGroupPlan } from './workloads/huge-shape.ts';

describe('what Redis writes', () => {
  it('is counted by command, those with subcommands included', () => {
    const info = [
      '# Commandstats',
      'cmdstat_xadd:calls=1200,usec=9,usec_per_call=0.01,rejected_calls=0,failed_calls=0',
      'cmdstat_config|get:calls=3,usec=9,usec_per_call=3.00,rejected_calls=0,failed_calls=0',
      'cmdstat_hset:calls=7,usec=9,usec_per_call=1.00,rejected_calls=0,failed_calls=0',
    ].join('\r\n');
    expect([...parseCalls(info)]).toEqual([
      ['xadd', 1_200],
      ['config|get', 3],
      ['hset', 7],
    ]);
  });

  it('is told for a message, without what is written anyway', () => {
    const at = (atMs: number, writes: number, logBytes: number) => ({
      atMs,
      count: { writes, changes: writes, logBytes },
    });
    const idle = { writes: 10, changes: 10, logBytes: 100 };
    expect(costOf(at(0, 100, 1_000), at(2_000, 320, 21_200), idle, 100)).toEqual({
      writes: 2,
      changes: 2,
      logBytes: 200,
    });
    // A log that was written anew says nothing.
    expect(costOf(at(0, 100, 50_000), at(2_000, 320, 10_000), idle, 100).logBytes).toBe(null);
  });
});

describe('what a device heard', () => {
  const checked = (seqs: readonly number[], from: number, to: number) => {
    const entries = new HeardEntries();
    for (const seq of seqs) entries.heard(seq);
    return entries.check(from, to);
  };

  it('is whole when it is dense from its join to its end (I3)', () => {
    expect(checked([4, 5, 6], 4, 6)).toEqual({ lost: 0, duplicated: 0, gaps: 0 });
  });

  it.each([
    ['ends early', [4, 5], { lost: 1, duplicated: 0, gaps: 0 }],
    ['begins late', [5, 6], { lost: 0, duplicated: 0, gaps: 1 }],
    ['has a hole', [4, 6], { lost: 0, duplicated: 0, gaps: 1 }],
    ['has one twice', [4, 5, 5, 6], { lost: 0, duplicated: 1, gaps: 0 }],
    ['has one behind a later one', [4, 6, 5], { lost: 0, duplicated: 1, gaps: 1 }],
    ['has one from behind its leave (I7)', [4, 5, 6, 7], { lost: 0, duplicated: 1, gaps: 0 }],
    ['is nothing', [], { lost: 3, duplicated: 0, gaps: 0 }],
  ] as const)('is not whole when it %s', (_what, seqs, expected) => {
    expect(checked(seqs, 4, 6)).toEqual(expected);
  });
});

describe('a group that grows', () => {
  it('is counted at each power of ten, and measured with all online and with five times as many members', () => {
    const { shape, sizes, measured } = hugeGroupPlan(null);
    expect(sizes).toEqual([10, 100, 1_000, 10_000, 50_000]);
    expect(measured).toEqual([10_000, 50_000]);
    expect(shape.users).toBe(10_000);
    expect(hugeGroupPlan(210)).toMatchObject({ sizes: [10, 100, 210, 1_050], measured: [210, 1_050] });
  });

  it('crosses both bounds of diffusion on both ways, with writers and others online, and ends with two', () => {
    const { sizes, online, writers, membersMax } = crossingPlan(null);
    expect([writers, membersMax]).toEqual([50, 12_000]);
    expect(new Set(online).size).toBe(200);
    expect(Math.max(...online)).toBeLessThan(12_000);
    const up = sizes.filter(({ direction }) => direction === 'growing').map(({ members }) => members);
    const down = sizes.filter(({ direction }) => direction === 'shrinking').map(({ members }) => members);
    expect(up).toEqual([...up].sort((left, right) => left - right));
    expect(up.at(-1)).toBe(12_000);
    expect([up.includes(200), up.includes(250), down.includes(160), down.includes(140)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(down.at(-1)).toBe(2);
    expect(crossingPlan(60).sizes.at(-1)?.members).toBe(2);
    expect(Math.max(...crossingPlan(60).online)).toBeLessThan(60);
  });

  it('has its sizes and seconds told by the options', () => {
    expect(parseBenchOptions(['crossing'])).toMatchObject({ ok: true, value: { members: null, seconds: 1.5 } });
    expect(parseBenchOptions(['huge-group', '--members', '500'])).toMatchObject({
      ok: true,
      value: { members: 500, seconds: 10 },
    });
  });

  it.each(['2', '20001', 'many', '10.5'])('cannot have %s members', (members) => {
    const options = parseBenchOptions(['huge-group', '--members', members]);
    expect(options.ok ? '' : options.error).toMatch(/--members must be a whole number from 3 to 20000/);
  });

  const point = (members: number, writes: number, direction: GrowthPoint['direction']): GrowthPoint => ({
    members,
    direction,
    diffusion: members > 200 ? 'read' : 'write',
    messages: 40,
    perMessage: { writes, changes: writes, logBytes: null },
    senders: null,
  });

  it('is told as the median of the rounds, size by size', () => {
    const rounds = [1, 3, 2].map((factor) => [point(10, 20 * factor, 'growing'), point(300, 4 * factor, 'shrinking')]);
    const median = medianGrowth(rounds);
    expect(median.map(({ perMessage }) => perMessage?.writes)).toEqual([40, 8]);
    expect(median.map(({ diffusion, direction }) => [diffusion, direction])).toEqual([
      ['write', 'growing'],
      ['read', 'shrinking'],
    ]);
    expect(growthLines(median)[1]).toMatch(/^10 +growing +write +40\.0/);
    expect(growthPlots(median).map(({ title, series }) => [title, series.length])).toEqual([
      ['Redis writes a message', 2],
    ]);
  });
});
