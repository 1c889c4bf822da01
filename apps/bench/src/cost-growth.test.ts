import { describe, expect, it } from 'vitest';
import { conversationOf } from './load/load-plan.ts';
import { parseBenchOptions } from './options.ts';
import {
  costGrowthLines,
  costGrowthPlots,
  curveOfSizes,
  curveOfTurns,
  growthRatios,
  type Cost,
} from './report/cost-growth.ts';
import { growthPlan } from './workloads/cost-growth/growth-plan.ts';

const cost = (node: number, redis: number | null = 10): Cost => ({
  ...{ node, redis, all: redis === null ? null : node + redis },
  ...{ ackedPerSecond: 2_500, deliveredPerSecond: 2_500, ackMsP99: 4 },
});
const about = { name: 'conversations', what: 'pairs beside conversations', per: 'message' } as const;

describe('what a message costs against the size of something', () => {
  it('is measured up to sizes that take minutes, and up to those that are wanted when it may take long', () => {
    const { conversations, messages, groups, connections } = growthPlan(1, false);
    expect(conversations).toEqual([1_000, 10_000, 100_000]);
    expect(messages).toEqual([100_000, 1_000_000]);
    expect(groups.map(({ users }) => users)).toEqual([2, 10, 100, 500, 1_000]);
    expect(connections).toEqual([1_000, 5_000, 10_000]);
    const long = growthPlan(1, true);
    expect([long.conversations.at(-1), long.messages.at(-1), long.groups.at(-1)?.users]).toEqual([
      1_000_000, 5_000_000, 2_000,
    ]);
  });

  it('has the same load at each size: messages for pairs, deliveries for groups', () => {
    const { groups, perSecond, steady } = growthPlan(1, true);
    expect(steady.mode).toEqual({ kind: 'open', perSecond });
    const rates = groups.map(({ users, parts }) => {
      const [mode] = parts.map((part) => part.mode);
      return mode?.kind === 'open' ? [mode.perSecond, Math.round(mode.perSecond * (users - 1))] : [];
    });
    expect(rates[0]).toEqual([perSecond, perSecond]);
    expect(new Set(rates.slice(1).map(([, deliveries]) => deliveries))).toEqual(new Set([20_000]));
  });

  it('can be tried with a share of it, in which conversations are still whole times the pairs', () => {
    for (const scale of [0.001, 0.0123, 0.5]) {
      const { conversations, groups } = growthPlan(scale, true);
      expect(conversations.every((size) => size % conversations[0] === 0)).toBe(true);
      expect(new Set(groups.map(({ users }) => users)).size).toBe(groups.length);
    }
  });

  it('is told to what it costs on the small side in the same turn', () => {
    const curve = curveOfTurns(about, 1_000, [
      { size: 10_000, turns: [20, 40, 30].map((node) => ({ small: cost(node), large: cost(2 * node + 10) })) },
      { size: 100_000, turns: [{ small: cost(90), large: cost(140) }] },
    ]);
    expect(curve.points.map(({ size, cost: { node }, times }) => [size, node, times])).toEqual([
      [1_000, 35, 1],
      [10_000, 70, 2],
      [100_000, 140, 1.5],
    ]);
    // 100 in the end, 30 in the beginning.
    expect(curve.drift).toBeCloseTo(100 / 30);
    expect(growthRatios([curve])).toEqual({ conversations: 1.5 });
  });

  it('is told to the smallest size, which is measured again in the end, where there is one side only', () => {
    const sizes = [2, 10].map((size) => ({ size, costs: [cost(size * 10)] }));
    const curve = curveOfSizes({ ...about, name: 'members', per: 'delivery' }, sizes, [cost(30)]);
    // 30 in the beginning and 40 in the end.
    expect(curve.points.map(({ times }) => times)).toEqual([30 / 35, 110 / 35]);
    expect(curve.drift).toBeCloseTo(4 / 3);
  });

  it('is no number where it could not be seen', () => {
    const unseen = cost(20, null);
    const curve = curveOfTurns(about, 1, [{ size: 10, turns: [{ small: cost(1), large: unseen }] }]);
    expect(growthRatios([curve])).toEqual({ conversations: null });
    expect(costGrowthLines([curve]).at(-2)).toMatch(/^10 +20\.00 +- +- +-/);
  });

  it('has a table and a plot for each curve', () => {
    const curve = curveOfTurns(about, 0, [{ size: 1_000, turns: [{ small: cost(20), large: cost(24) }] }]);
    const lines = costGrowthLines([curve, curve]);
    expect(lines.slice(0, 5).map((line) => line.replaceAll(/ {2,}/g, ' | '))).toEqual([
      'pairs beside conversations:',
      'conversations | node us a message | redis | both | to the smallest | acked/s | delivered/s | ack p99',
      '0 | 20.00 | 10.00 | 30.00 | 1.00 | 2,500 | 2,500 | 4.0',
      '1,000 | 24.00 | 10.00 | 34.00 | 1.13 | 2,500 | 2,500 | 4.0',
      'the smallest, last to first: 1.00',
    ]);
    const [plot] = costGrowthPlots([curve, curve]);
    expect(plot?.series.map(({ name, points }) => [name, points])).toEqual([
      [
        'node and redis',
        [
          [0, 30],
          [3, 34],
        ],
      ],
      [
        'node',
        [
          [0, 20],
          [3, 24],
        ],
      ],
      [
        'redis',
        [
          [0, 10],
          [3, 10],
        ],
      ],
    ]);
  });

  it('has its own rounds and seconds', () => {
    expect(parseBenchOptions(['growth'])).toMatchObject({ ok: true, value: { rounds: 2, seconds: 3, long: false } });
  });
});

describe('messages that go into many conversations in turn', () => {
  it('are numbered in each from 1 without a hole', () => {
    const stream = { conversation: 'c', among: 3 };
    const all = [1, 2, 3, 4, 5, 6, 7].map((n) => conversationOf(stream, n));
    expect(all.map(({ id }) => id)).toEqual(['c-0', 'c-1', 'c-2', 'c-0', 'c-1', 'c-2', 'c-0']);
    expect(all.map(({ n }) => n)).toEqual([1, 1, 1, 2, 2, 2, 3]);
    expect(conversationOf({ conversation: 'c' }, 7)).toEqual({ id: 'c', n: 7 });
  });
});
