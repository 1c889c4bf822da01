import type { PartitionId } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey } from './timeline-reader.ts';

/**
 * Where the owner of a partition stood when one of its actors answered. What else is read to the answer counts only if it is of a
 * store that has that, and no later owner: see {@link RecordReader.fields}.
 */
export interface AnsweredAt {
  /** Of the owner's claim. */
  readonly epoch: number;
  /** A commit that is acknowledged, and has all that the answer tells; 0 where nothing is stored. */
  readonly commitNo: number;
}

/** Another owner has the partition than the one that answered: what it told may be overtaken, and is to be asked for again. */
export class Superseded extends StoreUnavailable {}

/**
 * @param stands - what the store says of the owner, as of the moment at which it was read.
 *
 * @throws StoreUnavailable as {@link RecordReader.fields} says.
 */
export function mustBeSince(since: AnsweredAt, stands: AnsweredAt): void {
  if (stands.commitNo < since.commitNo) {
    throw new StoreUnavailable('the store has lost what was acknowledged, and it is not replayed yet; try again');
  }
  if (stands.epoch > since.epoch) throw new Superseded('the partition has another owner by now; try again');
}

/**
 * Reads fields of what is stored beside Timelines, on any node. What is stored need not be acknowledged yet: callers see
 * to that (I1).
 *
 * Rejects with `StoreUnavailable` when the store cannot be asked now.
 */
export interface RecordReader {
  /**
   * Of these fields those that are there.
   *
   * @param since - what is read is to be of that or later: a store that lacks the commit has lost its end, and what it says is not
   *   what was acknowledged. Then it rejects with `StoreUnavailable`, until the owner has replayed it; and with
   *   {@link Superseded} when another owner has claimed the partition.
   */
  fields(
    partition: PartitionId,
    actor: ActorKey,
    names: readonly string[],
    since?: AnsweredAt,
  ): Promise<ReadonlyMap<string, Uint8Array>>;
}
