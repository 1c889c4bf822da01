import type { CpuCost } from '../workloads/part-result.ts';
import type { RedisFloor } from '../workloads/redis-floor.ts';
import { whole } from './figures.ts';

/** A corpus that was sent, and read back as every member. */
export interface ReplayFigures {
  readonly messages: number;
  readonly conversations: number;
  readonly members: number;
  readonly replayedPerSecond: number;
  /** Entries, as all members together. */
  readonly readPerSecond: number;
  /** Joining included; `load` is the program that replays. */
  readonly cpuMicrosPerMessage: CpuCost;
}

const fine = (value: number | null, digits = 1): string => (value === null ? '-' : value.toFixed(digits));

/** For people. */
export function replayLines(
  figures: ReplayFigures,
  floor: RedisFloor,
  ratio: { readonly throughput: number; readonly cpu: number | null },
): readonly string[] {
  const { node, redis, load } = figures.cpuMicrosPerMessage;
  return [
    `${whole(figures.messages)} messages in ${whole(figures.conversations)} conversations of ${whole(figures.members)} members`,
    `replayed ${whole(figures.replayedPerSecond)}/s; CPU a message: node ${fine(node)}, redis ${fine(redis)}, load ${fine(load)} µs`,
    `read back ${whole(figures.readPerSecond)} entries/s as all members`,
    `redis-floor: ${whole(floor.xaddPerSecond)} XADD/s, ${fine(floor.cpuMicrosPerXadd)} µs each`,
    `to the floor: throughput ${fine(ratio.throughput, 3)}, CPU ${fine(ratio.cpu, 2)}`,
  ];
}
