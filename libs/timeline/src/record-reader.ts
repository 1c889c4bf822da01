import type { PartitionId } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey } from './timeline-reader.ts';

/**
 * Where the owner of a partition stood when one of its actors answered. What else is read to the answer counts only if it is of a
 * store that has that, and no later owner: see {@link RecordReader.fields}.
 */
export interface AnsweredAt {
  /** Of the owner's claim, `<epoch>:<uuid>`: the number alone is not enough, for a claim can be rolled back. */
  readonly token: string;
  /**
   * A commit that has all that the answer tells, and is acknowledged by the time that the answer is given. 0 where nothing is
   * stored: then nothing is held against anything.
   */
  readonly commitNo: number;
}

export const epochOf = ({ token }: AnsweredAt): number => Number.parseInt(token, 10) || 0;

/** Another owner has the partition than the one that answered: what it told may be overtaken, and is to be asked for again. */
export class Superseded extends StoreUnavailable {
  override readonly name: string = 'Superseded';
}

/**
 * @param stands - what the store says of the owner, as of the moment at which it was read.
 *
 * @throws StoreUnavailable as {@link RecordReader.fields} says.
 */
export function mustBeSince(since: AnsweredAt, stands: AnsweredAt): void {
  if (since.commitNo === 0) return;
  if (epochOf(stands) > epochOf(since)) throw new Superseded('the partition has another owner by now; try again');
  if (stands.token !== since.token || stands.commitNo < since.commitNo) {
    throw new StoreUnavailable('the store has lost what was acknowledged, and it is not replayed yet; try again');
  }
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
   * @param since - what is read is to be of that claim and that commit or a later one: a store that lacks the commit has lost its end, and what it says is not
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
