/** Whether another node answers clients, as far as that can be found out without the store. */
export type Elsewhere =
  /** One says that it does. */
  | 'serves'
  /** There is no other one, or none says so: they are in the same plight, or nobody reaches them. */
  | 'none'
  /** There are others, and no address to ask them at. */
  | 'unknown';

export interface CutOffFacts {
  readonly holdsLease: boolean;
  /** For how long it was seen not to hold it, milliseconds. */
  readonly lapsedMs: number;
  /** Whether the store answers this node. */
  readonly reachesStore: boolean;
  readonly elsewhere: Elsewhere;
}

/** A node that stood still has its lease again this soon after it woke: its clients need not go. Milliseconds. */
export const LAPSE_MS_MIN = 250;

/**
 * Whether a node's clients are to go to another one, and none may come: it has lost its lease and does not reach the
 * store, so that it can do nothing for them, and another node can.
 *
 * A node that reaches the store and lost its lease all the same had too much to do to renew it. It has it again soon, and
 * its clients, all at once, would be too much for the next one.
 *
 * When Redis is away for everybody, the sockets stay: there is nowhere to go, everybody would come back at once when it
 * is there again, and until then a refusal tells each client all that can be told.
 *
 * @param wasCutOff - as decided before: who was sent away is not called back before the lease is held again.
 */
export function isCutOff({ holdsLease, lapsedMs, reachesStore, elsewhere }: CutOffFacts, wasCutOff: boolean): boolean {
  if (holdsLease) return false;
  return wasCutOff || (lapsedMs >= LAPSE_MS_MIN && !reachesStore && elsewhere !== 'none');
}
