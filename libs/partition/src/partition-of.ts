import { hash32, partitionId, type PartitionId } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';

/** Where an actor lives. `partitionCount` is fixed when a cluster is born, and so is this function. */
export function partitionOf(actor: ActorKey, partitionCount: number): PartitionId {
  return partitionId(hash32(actor) % partitionCount);
}
