/**
 * How the entries of a conversation reach its members. `write`: each goes into each member's inbox. `read`: it does not;
 * members' devices pull it from the conversation.
 */
export type DiffusionMode = 'write' | 'read';

/** Why a conversation is in `read` mode. */
export type ReadReason = 'size' | 'load';

/** Of both pairs the lower is at most the upper: what lies between leaves the mode as it is. */
export interface DiffusionLimits {
  /** With more members than this a conversation goes over to `read`. */
  readonly readAbove: number;
  /** With fewer members than this it goes back to `write`. */
  readonly writeBelow: number;
  /** With more deliveries a second than this, messages times members, a smaller one goes over to `read`, too. */
  readonly readAboveLoad: number;
  /** With fewer deliveries a second than this it goes back to `write`. */
  readonly writeBelowLoad: number;
}

/** What is known of a conversation at the moment. */
export interface Extent {
  readonly members: number;
  /** Deliveries a second that `write` takes, or would: see `load.ts`. */
  readonly load: number;
}

/**
 * Why a conversation is in `read` mode from here on; null for `write`. Size and load each have an upper and a lower bound,
 * and either alone is enough: what is in `read` mode for its load comes back by its load, however many members between the
 * bounds it has, and what is there for its size stays until both are low.
 *
 * @param before - why it was until now.
 */
export function nextReason(
  before: ReadReason | null,
  { members, load }: Extent,
  { readAbove, writeBelow, readAboveLoad, writeBelowLoad }: DiffusionLimits,
): ReadReason | null {
  const isLarge = before === 'size' ? members >= writeBelow : members > readAbove;
  if (isLarge) return 'size';
  const isBusy = before === null ? load > readAboveLoad : load >= writeBelowLoad;
  return isBusy ? 'load' : null;
}
