import { hash32, partitionId, type PartitionId } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';

/** The partition of what has this hash. `partitionCount` is fixed when a cluster is born, and so is this function. */
export const partitionOfHash = (hash: number, partitionCount: number): PartitionId =>
  partitionId(hash % partitionCount);

/** Where an actor lives by its name. */
export const partitionOf = (actor: ActorKey, partitionCount: number): PartitionId =>
  partitionOfHash(hash32(actor), partitionCount);
