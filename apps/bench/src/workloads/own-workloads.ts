import type { Workload } from '../options.ts';
import type { MeasureFindings } from '../report/findings.ts';
import { measureDisk, measureReplicated } from './ack-levels.ts';
import { measureCommitPath } from './commit-path.ts';
import { measureCostGrowth } from './cost-growth/measure-cost-growth.ts';
import { measureCrossing } from './crossing.ts';
import { measureFailover } from './failover.ts';
import { measureHistory } from './history/measure-history.ts';
import { measureHugeGroup } from './huge-group.ts';
import { measureIdle } from './idle.ts';
import { measureLobbies } from './lobby.ts';
import { measureMemory } from './memory.ts';
import { measurePeers } from './peers.ts';
import { measureProfile } from './profile.ts';
import { measureScaleOut } from './scale-out.ts';
import { measureReplay } from './replay.ts';
import { measureSearch } from './search/measure-search.ts';
import { measureSync } from './sync/measure-sync.ts';

/** Workloads that measure in a way of their own; the others are shapes of users who write to each other. */
export const ownWorkloads: Partial<Record<Workload, MeasureFindings>> = {
  'huge-group': measureHugeGroup,
  crossing: measureCrossing,
  lobby: measureLobbies,
  sync: measureSync,
  idle: measureIdle,
  disk: measureDisk,
  replicated: measureReplicated,
  'scale-out': measureScaleOut,
  commit: measureCommitPath,
  memory: measureMemory,
  profile: measureProfile,
  growth: measureCostGrowth,
  failover: measureFailover,
  replay: measureReplay,
  history: measureHistory,
  search: measureSearch,
  peers: measurePeers,
};
