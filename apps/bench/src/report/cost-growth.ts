import { median, medianOf } from '../measure/median.ts';
import type { MeasuredPart } from '../workloads/part-result.ts';
import { fine, times, whole } from './figures.ts';
import type { Plot } from './plot.ts';
import { alignedRows } from './text-table.ts';

/** CPU time of the server and of Redis, microseconds, under one load. */
export interface Cost {
  readonly node: number | null;
  readonly redis: number | null;
  /** Of both. */
  readonly all: number | null;
  readonly ackedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly ackMsP99: number | null;
}

/** What the costs of a curve are told for. */
export type Per = 'message' | 'delivery';

/** What it costs where something has one size. */
export interface CostPoint {
  readonly size: number;
  readonly cost: Cost;
  /** To the cost at the smallest size, measured in turns. */
  readonly times: number | null;
}

/** What a message costs against the size of one thing, from the smallest size to the largest. */
export interface CostCurve {
  readonly name: string;
  /** What has the sizes, and what is measured beside it. */
  readonly what: string;
  readonly per: Per;
  readonly points: readonly CostPoint[];
  /** Of the smallest size, its last cost to its first: what the machine did meanwhile. */
  readonly drift: number | null;
  /** Each size as it was measured, time by time. */
  readonly measured: readonly SizeTurns[] | readonly SizeCosts[];
}

/** The same load on a store or server where something is small, and on one where it is large, one behind the other. */
export interface Turn {
  readonly small: Cost;
  readonly large: Cost;
}

export interface SizeTurns {
  readonly size: number;
  readonly turns: readonly Turn[];
}

export interface SizeCosts {
  readonly size: number;
  readonly costs: readonly Cost[];
}

export function costOfPart(part: MeasuredPart, per: Per): Cost {
  const { node, redis } = per === 'message' ? part.cpuMicrosPerMessage : part.cpuMicrosPerDeliveryBy;
  return {
    node,
    redis,
    all: node === null || redis === null ? null : node + redis,
    ackedPerSecond: part.ackedPerSecond,
    deliveredPerSecond: part.deliveredPerSecond,
    ackMsP99: part.ackMs?.p99 ?? null,
  };
}

/** @param measured - in the order in which it was. */
export function curveOfTurns(
  about: Pick<CostCurve, 'name' | 'what' | 'per'>,
  smallest: number,
  measured: readonly SizeTurns[],
): CostCurve {
  const small = measured.flatMap((one) => one.turns.map((turn) => turn.small));
  const larger = measured.map(({ size, turns: some }): CostPoint => {
    const ratios = some.flatMap((turn) => times(turn.large.all, turn.small.all) ?? []);
    return { size, cost: medianOf(some.map(({ large }) => large)), times: median(ratios) };
  });
  return {
    ...about,
    points: [{ size: smallest, cost: medianOf(small), times: 1 }, ...larger],
    drift: times(small.at(-1)?.all, small[0]?.all),
    measured,
  };
}

/** @param again - the smallest size once more, when all others were measured. */
export function curveOfSizes(
  about: Pick<CostCurve, 'name' | 'what' | 'per'>,
  sizes: readonly SizeCosts[],
  again: readonly Cost[],
): CostCurve {
  const [first] = sizes;
  const firstCost = medianOf(first?.costs ?? []);
  const smallest = medianOf([...(first?.costs ?? []), ...again]).all;
  return {
    ...about,
    points: sizes.map(({ size, costs }) => {
      const cost = medianOf(costs);
      return { size, cost, times: times(cost.all, smallest) };
    }),
    drift: times(medianOf(again).all, firstCost.all),
    measured: [...sizes, { size: first?.size ?? 0, costs: again }],
  };
}

/** Of the largest size to the smallest, by the name of the curve. */
export const growthRatios = (curves: readonly CostCurve[]): Readonly<Record<string, number | null>> =>
  Object.fromEntries(curves.map(({ name, points }) => [name, points.at(-1)?.times ?? null]));

/** For people. */
export function costGrowthLines(curves: readonly CostCurve[]): readonly string[] {
  return curves.flatMap(({ name, what, per, points, drift }, index) => {
    const headings = [
      name,
      `node us a ${per}`,
      'redis',
      'both',
      'to the smallest',
      'acked/s',
      'delivered/s',
      'ack p99',
    ];
    const rows = points.map(({ size, cost, times: ratio }) => [
      whole(size),
      fine(cost.node, 2),
      fine(cost.redis, 2),
      fine(cost.all, 2),
      fine(ratio, 2),
      whole(cost.ackedPerSecond),
      whole(cost.deliveredPerSecond),
      fine(cost.ackMsP99, 1),
    ]);
    const noted = `the smallest, last to first: ${fine(drift, 2)}`;
    return [...(index === 0 ? [] : ['']), `${what}:`, ...alignedRows([headings, ...rows]), noted];
  });
}

/** One a curve, against the size on a logarithmic axis. */
export const costGrowthPlots = (curves: readonly CostCurve[]): readonly Plot[] =>
  curves.map(({ name, what, per, points }) => ({
    title: what,
    xLabel: name,
    yLabel: `us a ${per}`,
    // Nothing at all stands where one would.
    xText: (x: number): string => whole(10 ** x),
    series: (['all', 'node', 'redis'] as const).map((part) => ({
      name: part === 'all' ? 'node and redis' : part,
      points: points.flatMap(({ size, cost }): (readonly [number, number])[] => {
        const value = cost[part];
        return value === null ? [] : [[Math.log10(Math.max(1, size)), value]];
      }),
    })),
  }));
