import type { RedisFloor } from '../workloads/redis-floor.ts';
import { fine, whole } from './figures.ts';

export interface CommitFigures {
  readonly entriesPerSecond: number;
  readonly commitsPerSecond: number;
  /** CPU time of an entry, microseconds. */
  readonly nodeMicros: number | null;
  readonly redisMicros: number | null;
}

/** For people. */
export const commitLines = (commits: CommitFigures, floor: RedisFloor, ratio: number): readonly string[] => [
  `${whole(commits.entriesPerSecond)} entries/s in ${whole(commits.commitsPerSecond)} commits/s, ` +
    `an entry costs ${fine(commits.nodeMicros, 1)} us of the node and ${fine(commits.redisMicros, 1)} of Redis`,
  `redis-benchmark, 64 in a pipeline: ${whole(floor.xaddPerSecond)} XADD/s, ${fine(floor.cpuMicrosPerXadd, 1)} us of Redis each; to it ${fine(ratio, 2)}`,
];
