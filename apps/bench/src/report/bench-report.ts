import { medianOf } from '../measure/median.ts';
import type { BenchOptions } from '../options.ts';
import type { Checked } from '../workloads/checked.ts';
import type { MeasuredPart, PartResult } from '../workloads/part-result.ts';
import type { RedisFloor } from '../workloads/redis-floor.ts';
import type { SideRun, WorkloadRun } from '../workloads/run-workload.ts';
import { PAYLOAD_BYTES } from '../workloads/shape.ts';
import type { Machine } from './machine.ts';
import { NOT_MEASURED } from './not-measured.ts';

/** The part that a report opens with, at the top level, and all of them by name. */
export interface SideReport extends Partial<PartResult> {
  readonly bytesPerConnection?: number | null;
  readonly parts: Readonly<Record<string, PartResult>>;
  readonly redis?: RedisFloor;
}

/** Of Millrace to its floor in the same run: above 1 for more throughput, more CPU time, more latency. */
export interface Ratio {
  readonly throughput: number | null;
  readonly cpu: number | null;
  readonly p99: number | null;
  /** Until the last member has a message, median; null where each has one receiver. */
  readonly lastMember: number | null;
}

export interface BenchReport {
  readonly workload: BenchOptions['workload'];
  readonly at: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rounds: readonly Readonly<Record<string, unknown>>[];
  readonly median: SideReport;
  readonly floor: SideReport;
  readonly ratio: Ratio & {
    readonly parts: Readonly<Record<string, Ratio>>;
    /** To judge whether the floors are honest on this machine. */
    readonly wsFloorToRedisFloor: number | null;
  };
  readonly checked: Checked;
  readonly faults: readonly string[];
  readonly notMeasured: readonly string[];
}

type Named<T> = Readonly<Record<string, T>>;

function plain(part: MeasuredPart): PartResult {
  const { ackHistogram: _ack, deliverHistogram: _deliver, lastHistogram: _last, series: _series, ...rest } = part;
  return rest;
}

function partsOf(sides: readonly SideRun[]): Named<PartResult> {
  const [first] = sides;
  if (first === undefined) return {};
  return Object.fromEntries(
    Object.keys(first.parts).map((name) => {
      const all = sides.map((side) => side.parts[name]).filter((part): part is MeasuredPart => part !== undefined);
      return [name, medianOf(all.map(plain))];
    }),
  );
}

const mainPart = (parts: Named<PartResult>): PartResult | undefined => {
  const name = Object.keys(parts).find((one) => one.endsWith(' saturated'));
  return name === undefined ? undefined : parts[name];
};

function sideReport(sides: readonly SideRun[], redis: readonly RedisFloor[]): SideReport {
  const ofRedis = redis.length > 0 ? { redis: medianOf(redis) } : {};
  if (sides.length === 0) return { parts: {}, ...ofRedis };
  const parts = partsOf(sides);
  const main = mainPart(parts);
  const { bytesPerConnection } = medianOf(
    sides.map(({ bytesPerConnection: bytes }) => ({ bytesPerConnection: bytes })),
  );
  return {
    ...(main ?? {}),
    ...(main === undefined ? {} : { bytesPerConnection }),
    parts,
    ...ofRedis,
  };
}

const divided = (left: number | null | undefined, right: number | null | undefined): number | null =>
  left === null || left === undefined || right === null || right === undefined || right === 0 ? null : left / right;

/**
 * Servers only: the load is the same on both sides. Of many receivers for each delivery, for those come evenly over the
 * measured time, while messages of a closed loop are acknowledged in bursts.
 */
function serverCpu({
  cpuMicrosPerMessage: { node, redis },
  cpuMicrosPerDelivery,
  lastMemberMs,
}: PartResult): number | null {
  if (lastMemberMs !== null) return cpuMicrosPerDelivery;
  return node === null ? null : node + (redis ?? 0);
}

function ratioOf(millrace: PartResult | undefined, floor: PartResult | undefined): Ratio {
  if (millrace === undefined || floor === undefined)
    return { throughput: null, cpu: null, p99: null, lastMember: null };
  return {
    throughput: divided(millrace.deliveredPerSecond, floor.deliveredPerSecond),
    cpu: divided(serverCpu(millrace), serverCpu(floor)),
    p99: divided(millrace.ackMs?.p99, floor.ackMs?.p99),
    lastMember: divided(millrace.lastMemberMs?.p50, floor.lastMemberMs?.p50),
  };
}

export interface ReportParts {
  readonly options: BenchOptions;
  readonly run: WorkloadRun;
  readonly machine: Machine;
  readonly commit: string | null;
  readonly at: string;
}

/** Both sides of all rounds, and what they are to each other. */
export type SidesReport = Pick<BenchReport, 'rounds' | 'median' | 'floor' | 'ratio'>;

export function sidesReport(rounds: WorkloadRun['rounds'], isFloor: boolean): SidesReport {
  const present = <T>(values: readonly (T | null)[]): T[] => values.filter((value): value is T => value !== null);
  const redisFloors = present(rounds.map(({ redisFloor }) => redisFloor));
  const floor = sideReport(present(rounds.map((round) => round.floor)), redisFloors);
  const millrace = sideReport(present(rounds.map((round) => round.millrace)), []);
  return {
    rounds: rounds.map(({ floor: onFloor, millrace: onMillrace, redisFloor }) => ({
      floor: onFloor === null ? null : sideReport([onFloor], []),
      millrace: onMillrace === null ? null : sideReport([onMillrace], []),
      redisFloor,
    })),
    median: isFloor ? floor : millrace,
    floor,
    ratio: {
      ...ratioOf(mainPart(millrace.parts), mainPart(floor.parts)),
      parts: Object.fromEntries(
        Object.entries(millrace.parts).map(([name, part]) => [name, ratioOf(part, floor.parts[name])]),
      ),
      wsFloorToRedisFloor: divided(mainPart(floor.parts)?.ackedPerSecond, floor.redis?.xaddPerSecond),
    },
  };
}

/** What is asked of Redis, and which one it is. */
export const redisConfig = ({ ackLevel, url }: Pick<BenchOptions, 'ackLevel' | 'url'>) => ({
  ackLevel,
  redisReplicas: url === null ? Number(ackLevel === 'replicated') : null,
});

export function benchReport({ options, run, machine, commit, at }: ReportParts): BenchReport {
  const isFloor = options.workload === 'ws-floor' || options.workload === 'redis-floor';
  return {
    workload: options.workload,
    at,
    commit,
    machine,
    config: {
      rounds: options.rounds,
      seconds: options.seconds,
      warmupSeconds: options.warmupSeconds,
      scale: options.scale,
      payloadBytes: PAYLOAD_BYTES,
      ...redisConfig(options),
      engineAskedFor: options.engine,
      encoding: options.encoding,
      engine: run.engine,
      server: options.url ?? 'its own',
      nodes: options.url === null ? options.nodes : null,
    },
    ...sidesReport(run.rounds, isFloor),
    checked: run.checked,
    faults: run.faults,
    notMeasured: NOT_MEASURED,
  };
}
