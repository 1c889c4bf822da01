/** Which state of a message this is; generations count before revisions. */
export interface MessageVersion {
  readonly gen: number;
  readonly rev: number;
}

/** What the index holds of a message. */
export interface HeldVersion extends MessageVersion {
  readonly removed: boolean;
}

/** A generation that began at a seq: what lower ones have there or above was lost. */
export interface Cut {
  readonly gen: number;
  readonly from: number;
}

const compare = (one: MessageVersion, other: MessageVersion): number => one.gen - other.gen || one.rev - other.rev;

/** Whether a message may be put over what is held of it. The same version again may, but not over its own removal. */
export function mayPut(put: MessageVersion, held: HeldVersion | null): boolean {
  if (held === null) return true;
  const order = compare(put, held);
  return held.removed ? order > 0 : order >= 0;
}

export const mayRemove = (removal: MessageVersion, held: HeldVersion | null): boolean =>
  held === null || compare(removal, held) >= 0;

export const isCut = (cuts: readonly Cut[], { gen, seq }: { readonly gen: number; readonly seq: number }): boolean =>
  cuts.some((cut) => gen < cut.gen && seq >= cut.from);

/** The cuts with one more. One that another one covers says nothing of its own. */
export function withCut(cuts: readonly Cut[], cut: Cut): readonly Cut[] {
  const covers = (one: Cut, other: Cut): boolean => one.gen >= other.gen && one.from <= other.from;
  if (cuts.some((one) => covers(one, cut))) return cuts;
  return [...cuts.filter((one) => !covers(cut, one)), cut];
}

export interface Through {
  readonly gen: number;
  readonly seq: number;
}

/** How far a conversation is indexed, after a batch said so; it never goes back. */
export function laterThrough(one: Through | null, other: Through): Through {
  if (one === null) return other;
  return (one.gen - other.gen || one.seq - other.seq) >= 0 ? one : other;
}

/** How far it is behind a cut: what was lost is not indexed any more. */
export const throughBehindCut = (through: Through | null, { gen, from }: Cut): Through | null =>
  through !== null && through.gen < gen ? { gen, seq: Math.min(through.seq, from - 1) } : through;
