import type { CpuCost } from '../workloads/part-result.ts';
import { alignedRows } from './text-table.ts';
import { whole } from './figures.ts';

/** Of the processes of one side together, at one time. */
export interface IdleLook {
  readonly residentBytes: number | null;
  /** In use, in the heap and by it outside. */
  readonly heapBytes: number | null;
  readonly cpuMicrosPerSecond: CpuCost;
}

/** What connections that say nothing take. */
export interface IdleSide {
  readonly connections: number;
  readonly connectSeconds: number;
  /** By which the resident memory of the servers is larger with all of them than with none. */
  readonly bytesPerConnection: number | null;
  readonly heapBytesPerConnection: number | null;
  /** All of it, with all of them. */
  readonly residentBytes: number | null;
  /** Percent of one core, with all connections; `load` pings on each every 30 s, as a client must. */
  readonly cpuPercent: CpuCost;
  /** The same with none. */
  readonly emptyCpuPercent: CpuCost;
}

export interface IdleFigures {
  readonly millrace: Readonly<Record<string, IdleSide>>;
  readonly floor: Readonly<Record<string, IdleSide>>;
}

export interface IdleRatio {
  /** By which a connection of Millrace takes more than one of the floor. */
  readonly bytesAboveFloor: number | null;
  readonly heapBytesAboveFloor: number | null;
}

const MICROS_PER_PERCENT = 10_000;

const percentOf = ({ node, redis, load }: CpuCost): CpuCost => {
  const percent = (micros: number | null): number | null => (micros === null ? null : micros / MICROS_PER_PERCENT);
  return { node: percent(node), redis: percent(redis), load: percent(load) };
};

const minus = (left: number | null | undefined, right: number | null | undefined): number | null =>
  left === null || left === undefined || right === null || right === undefined ? null : left - right;

export function idleFigures({
  connections,
  connectSeconds,
  empty,
  full,
}: {
  readonly connections: number;
  readonly connectSeconds: number;
  readonly empty: IdleLook;
  readonly full: IdleLook;
}): IdleSide {
  const each = (bytes: number | null): number | null => (bytes === null ? null : bytes / connections);
  return {
    connections,
    connectSeconds,
    bytesPerConnection: each(minus(full.residentBytes, empty.residentBytes)),
    heapBytesPerConnection: each(minus(full.heapBytes, empty.heapBytes)),
    residentBytes: full.residentBytes,
    cpuPercent: percentOf(full.cpuMicrosPerSecond),
    emptyCpuPercent: percentOf(empty.cpuMicrosPerSecond),
  };
}

export const idleRatio = ({ millrace, floor }: IdleFigures, name: string): IdleRatio => ({
  bytesAboveFloor: minus(millrace[name]?.bytesPerConnection, floor[name]?.bytesPerConnection),
  heapBytesAboveFloor: minus(millrace[name]?.heapBytesPerConnection, floor[name]?.heapBytesPerConnection),
});

const fine = (value: number | null, digits: number): string => (value === null ? '-' : value.toFixed(digits));
const HEADINGS = [
  '',
  'connections',
  'bytes each',
  'of heap',
  'node, % of a core',
  'with none',
  'redis',
  'with none',
  'opened in s',
];

/** For people. */
export function idleLines(figures: IdleFigures): readonly string[] {
  const rowOf = (name: string, one: IdleSide): string[] => [
    name,
    whole(one.connections),
    whole(one.bytesPerConnection),
    whole(one.heapBytesPerConnection),
    fine(one.cpuPercent.node, 1),
    fine(one.emptyCpuPercent.node, 1),
    fine(one.cpuPercent.redis, 1),
    fine(one.emptyCpuPercent.redis, 1),
    fine(one.connectSeconds, 2),
  ];
  const rows = Object.entries(figures.millrace).flatMap(([name, millrace]) => {
    const floor = figures.floor[name];
    const own = rowOf(`${name}: Millrace`, millrace);
    return floor === undefined ? [own] : [own, rowOf(`${name}: floor`, floor)];
  });
  const above = Object.keys(figures.millrace).map((name) => {
    const { bytesAboveFloor, heapBytesAboveFloor } = idleRatio(figures, name);
    return `${name}: ${whole(bytesAboveFloor)} bytes a connection above the floor, ${whole(heapBytesAboveFloor)} of heap`;
  });
  return [...alignedRows([HEADINGS, ...rows]), ...above];
}
