import { partitionId, type PartitionId } from '@millrace/kernel';
import { partitionOf } from '@millrace/partition';
import type { ActorKey } from '@millrace/timeline';
import { promotedPartition } from '../lobby/promoted-lobbies.ts';
import { birthKey } from './birth-actor.ts';

/** Where an actor lives: by its name, but for those of the cluster and of the partitions themselves. */
export function partitionOfActor(key: ActorKey, partitionCount: number): PartitionId {
  if (key === birthKey) return partitionId(0);
  const named = promotedPartition(key);
  return named === null ? partitionOf(key, partitionCount) : partitionId(named);
}
