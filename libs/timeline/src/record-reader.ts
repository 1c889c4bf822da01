import type { PartitionId } from '@millrace/kernel';
import type { ActorKey } from './timeline-reader.ts';

/**
 * Reads fields of what is stored beside Timelines, on any node. What is stored need not be acknowledged yet: callers see
 * to that (I1).
 *
 * Rejects with `StoreUnavailable` when the store cannot be asked now.
 */
export interface RecordReader {
  /** Of these fields those that are there. */
  fields(partition: PartitionId, actor: ActorKey, names: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
}
