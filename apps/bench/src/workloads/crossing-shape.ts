/** Members at the most. */
const MEMBERS = 12_000;
/** Sizes on the way up, and down: both sides of the bounds at which a group is diffused in another way, 200 and 150. */
const UP = [2, 10, 50, 100, 150, 200, 250, 500, 1_000, 2_000, 5_000];
const DOWN = [5_000, 1_000, 250, 160, 140, 100, 50, 10, 2];
const WRITERS = 50;
/** Beside the writers: some who come in next, and some at even distances among the others. */
const NEXT_READERS = 50;
const SPREAD_READERS = 100;

export const CROSSING_SECONDS = 1.5;
/** Of all who write together. */
export const CROSSING_PER_SECOND = 50;

/** How the group grows and shrinks, and who of its users is online. */
export interface CrossingPlan {
  readonly sizes: readonly { readonly members: number; readonly direction: 'growing' | 'shrinking' }[];
  readonly membersMax: number;
  /** Indexes of users in the order in which they come in; the first `writers` of them write. */
  readonly online: readonly number[];
  readonly writers: number;
}

/** @param members - at the most; null for the workload's own. */
export function crossingPlan(members: number | null): CrossingPlan {
  const membersMax = members ?? MEMBERS;
  const growing = [...UP.filter((size) => size < membersMax), membersMax];
  const shrinking = DOWN.filter((size) => size < membersMax);
  const writers = Math.min(WRITERS, membersMax);
  const next = Math.min(membersMax, writers + NEXT_READERS);
  const others = membersMax - next;
  const spread = Math.min(SPREAD_READERS, others);
  return {
    sizes: [
      ...growing.map((size) => ({ members: size, direction: 'growing' as const })),
      ...shrinking.map((size) => ({ members: size, direction: 'shrinking' as const })),
    ],
    membersMax,
    online: [
      ...Array.from({ length: next }, (_, index) => index),
      ...Array.from({ length: spread }, (_, index) => next + Math.floor((index * others) / spread)),
    ],
    writers,
  };
}
