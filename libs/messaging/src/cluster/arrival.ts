import type { NodeId } from '@millrace/kernel';

/**
 * When a session came, by the user's owner, which gives every session of the user one: what tells of two sessions of
 * one device which is the newer. No clock has a part in it (I10).
 */
export interface Arrival {
  /** Of the view by which the owner was the owner: a later owner has a newer one. */
  readonly version: number;
  /** The run that gave it. */
  readonly owner: NodeId;
  /** Rises with each that this run gives. */
  readonly n: number;
}

/**
 * Whether `one` came after `other`. Neither did after the other when two runs gave them by one version, which is only so
 * while two views have it, after the store lost its end.
 */
export function isLater(one: Arrival, other: Arrival): boolean {
  if (one.version !== other.version) return one.version > other.version;
  return one.owner === other.owner && one.n > other.n;
}
