import type { WritesPerMessage } from '../measure/redis-writes.ts';
import { medianOf } from '../measure/median.ts';
import type { Diffusion } from '../workloads/shape.ts';
import type { Plot } from './plot.ts';
import { alignedRows } from './text-table.ts';

/** What messages cost in a group of one size. */
export interface GrowthPoint {
  readonly members: number;
  readonly direction: 'growing' | 'shrinking';
  readonly diffusion: Diffusion;
  /** Counted ones. */
  readonly messages: number;
  /** Null where nothing could be counted. */
  readonly perMessage: WritesPerMessage | null;
  /** Null where nobody else wrote meanwhile. */
  readonly senders: SendersPoint | null;
}

/** What those felt who wrote, from the size before to the end of this one, the changes of membership included. */
export interface SendersPoint {
  /** The longest time until an ack, milliseconds. */
  readonly ackMsMax: number;
  /** The longest time in which nobody got an ack, milliseconds. */
  readonly pauseMsMax: number;
}

/** Number by number over all rounds, which have the same sizes in the same order. */
export function medianGrowth(rounds: readonly (readonly GrowthPoint[])[]): readonly GrowthPoint[] {
  const [first = []] = rounds;
  return first.map((point, index) => {
    const same = rounds.flatMap((round) => round[index] ?? []);
    return { ...medianOf(same), direction: point.direction, diffusion: point.diffusion };
  });
}

const fine = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : value.toFixed(1);

/** For people. */
export function growthLines(points: readonly GrowthPoint[]): readonly string[] {
  const headings = ['members', '', 'mode', 'Redis writes', 'changes', 'log bytes a message', 'slowest ack', 'pause ms'];
  const rows = points.map(({ members, direction, diffusion, perMessage, senders }) => [
    members.toLocaleString('en-US'),
    direction,
    diffusion,
    fine(perMessage?.writes),
    fine(perMessage?.changes),
    fine(perMessage?.logBytes),
    fine(senders?.ackMsMax),
    fine(senders?.pauseMsMax),
  ]);
  return alignedRows([headings, ...rows]);
}

type ValueOf = (point: GrowthPoint) => number | null;

/** One line a direction, against the size on a logarithmic axis. */
function growthPlot(title: string, yLabel: string, points: readonly GrowthPoint[], valueOf: ValueOf): Plot {
  const series = (['growing', 'shrinking'] as const).flatMap((direction) => {
    const line = points.flatMap((point) => {
      const value = valueOf(point);
      return point.direction === direction && value !== null ? [[Math.log10(point.members), value] as const] : [];
    });
    return line.length > 0 ? [{ name: direction, points: line }] : [];
  });
  const xText = (x: number): string => String(Math.round(10 ** x));
  return { title, xLabel: 'members', yLabel, xText, yScale: 'log', series };
}

export function growthPlots(points: readonly GrowthPoint[]): readonly Plot[] {
  return [
    growthPlot('Redis writes a message', 'commands that write', points, ({ perMessage }) => perMessage?.writes ?? null),
    growthPlot('bytes of Redis’ log a message', 'bytes', points, ({ perMessage }) => perMessage?.logBytes ?? null),
    growthPlot('longest time without an ack', 'ms', points, ({ senders }) => senders?.pauseMsMax ?? null),
    growthPlot('slowest ack', 'ms', points, ({ senders }) => senders?.ackMsMax ?? null),
  ].filter(({ series }) => series.length > 0);
}
