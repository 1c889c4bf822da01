import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';

/** A message that was taken back. */
export interface Recalled {
  readonly seq: SequenceId;
  readonly from: UserId;
  /** The entry that took it back. */
  readonly rev: SequenceId;
}

export interface RecalledList {
  /** Those below are not listed. */
  readonly from: SequenceId;
  /** Rising by seq. */
  readonly of: readonly Recalled[];
}

export const nothingRecalled: RecalledList = { from: sequenceId(0), of: [] };
