import { Latency, type LatencySummary } from '../measure/latency.ts';
import type { LoadResult } from '../load/load-plan.ts';

/** Microseconds of CPU time, user and system, for each acknowledged message; null when it cannot be seen. */
export interface CpuCost {
  /** The server, or the relay of a floor. */
  readonly node: number | null;
  readonly redis: number | null;
  readonly load: number | null;
}

export interface PartResult {
  readonly ackedPerSecond: number;
  readonly deliveredPerSecond: number;
  /** Sends that were refused and sent again, over the whole part. */
  readonly refused: number;
  readonly ackMs: LatencySummary | null;
  readonly deliverMs: LatencySummary | null;
  /** From when a message was due until the last of its receivers had it; null where each has one receiver. */
  readonly lastMemberMs: LatencySummary | null;
  readonly cpuMicrosPerMessage: CpuCost;
  /** Null unless it was a burst. */
  readonly burst: BurstResult | null;
  /** Node and Redis together, for each delivery. */
  readonly cpuMicrosPerDelivery: number | null;
  /** The same by who spent it. */
  readonly cpuMicrosPerDeliveryBy: CpuCost;
}

export interface BurstResult {
  readonly due: number;
  readonly duePerSecond: number;
  readonly seconds: number;
  /** From the end of the burst until the last message was acknowledged and delivered. */
  readonly tailSeconds: number;
  /** The most that waited at their writers, whose windows were full. */
  readonly waitingMax: number;
  /** Resident memory of the servers together, before and at most. */
  readonly residentBytesBefore: number | null;
  readonly residentBytesMax: number | null;
}

/** With what only the plots need. */
export interface MeasuredPart extends PartResult {
  readonly ackHistogram: string;
  readonly deliverHistogram: string;
  readonly lastHistogram: string;
  /** Acks a second over time. */
  readonly series: readonly number[];
}

export interface CpuReading {
  readonly node: number | null;
  readonly redis: number | null;
  readonly load: number | null;
}

const per = (before: number | null, after: number | null, count: number): number | null =>
  before === null || after === null || count === 0 ? null : (after - before) / count;

export interface Resident {
  readonly before: number | null;
  readonly max: number | null;
}

function burstResult({ burst }: LoadResult, { before, max }: Resident): BurstResult | null {
  if (burst === null) return null;
  const duePerSecond = burst.due / burst.seconds;
  return { ...burst, duePerSecond, residentBytesBefore: before, residentBytesMax: max };
}

export function partResult(
  result: LoadResult,
  before: CpuReading,
  after: CpuReading,
  resident: Resident,
): MeasuredPart {
  const { acked, delivered, seconds } = result.measured;
  const costPer = (count: number): CpuCost => ({
    node: per(before.node, after.node, count),
    redis: per(before.redis, after.redis, count),
    load: per(before.load, after.load, count),
  });
  const perDelivery = costPer(delivered);
  return {
    ackedPerSecond: acked / seconds,
    deliveredPerSecond: delivered / seconds,
    refused: result.refused,
    ackMs: Latency.decode(result.ack).summary(),
    deliverMs: Latency.decode(result.deliver).summary(),
    lastMemberMs: Latency.decode(result.last).summary(),
    cpuMicrosPerMessage: costPer(acked),
    burst: burstResult(result, resident),
    cpuMicrosPerDelivery: perDelivery.node === null ? null : perDelivery.node + (perDelivery.redis ?? 0),
    cpuMicrosPerDeliveryBy: perDelivery,
    ackHistogram: result.ack,
    deliverHistogram: result.deliver,
    lastHistogram: result.last,
    series: result.series,
  };
}
