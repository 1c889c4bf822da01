import type { Workload } from '../options.ts';
import type { MeasureFindings } from '../report/findings.ts';
import { measureCrossing } from './crossing.ts';
import { measureHugeGroup } from './huge-group.ts';
import { measureLobbies } from './lobby.ts';
import { measureSync } from './sync/measure-sync.ts';

/** Workloads that measure in a way of their own; the others are shapes of users who write to each other. */
export const ownWorkloads: Partial<Record<Workload, MeasureFindings>> = {
  'huge-group': measureHugeGroup,
  crossing: measureCrossing,
  lobby: measureLobbies,
  sync: measureSync,
};
