import { isOpen, pullEnd } from '@millrace/diffusion';
import { sequenceId, type SequenceId } from '@millrace/kernel';
import { generationOf, keptFrom, type Position } from '@millrace/timeline';
import type { ConversationHead } from '../conversation/commands.ts';
import { positionsOf, type EntryRange } from './read-messages.ts';
import type { Pulled } from './listing.ts';

/** What one answer takes from a conversation itself, behind the device's cursor. */
export interface Pull {
  readonly slot: number;
  readonly range: EntryRange;
}

export interface PullPlan {
  readonly pulls: readonly Pull[];
  /** Where the cursors are when the device has these. */
  readonly cursors: ReadonlyMap<number, Position>;
  readonly hasMore: boolean;
}

/** While others wait for theirs, no conversation gets more than this part of an answer. */
const ANSWER_PARTS = 8;

/**
 * The slots of the cursors in the order in which it is their turn, so that a device that pulls from many conversations is
 * answered a few of them at a time, and none is passed over for ever.
 *
 * @param turn - the first one whose turn it is; undefined to begin with the lowest.
 */
export function inTurn(cursors: ReadonlyMap<number, Position>, turn: number | undefined): readonly number[] {
  const slots = [...cursors.keys()].sort((one, other) => one - other);
  const first = turn === undefined ? 0 : slots.findIndex((slot) => slot >= turn);
  return first <= 0 ? slots : [...slots.slice(first), ...slots.slice(0, first)];
}

/**
 * How many of these, from the first on, have enough behind their cursors for an answer of `limit` messages.
 *
 * @returns with `enough` null when all together have not; `filled` says how much of the answer they fill, 0..1.
 */
export function enoughFor(
  cursors: ReadonlyMap<number, Position>,
  pulled: readonly Pulled[],
  limit: number,
): { readonly enough: number | null; readonly filled: number } {
  const most = Math.ceil(limit / ANSWER_PARTS);
  let sum = 0;
  for (const [index, each] of pulled.entries()) {
    const pending = pendingOf(cursors, each);
    if (pending !== null) sum += Math.min(most, sizeOf(pending));
    if (sum >= limit) return { enough: index + 1, filled: 1 };
  }
  return { enough: null, filled: limit > 0 ? sum / limit : 0 };
}

interface Pending {
  readonly slot: number;
  readonly head: ConversationHead;
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/**
 * Shares `limit` messages out between the conversations that have something behind their cursor, clamped to the segment
 * and the stay that the cursor lies in (I7). Each gets something as far as it reaches, those that are furthest behind
 * first, so that none is starved by others that go on and on.
 */
export function planPulls(cursors: ReadonlyMap<number, Position>, pulled: readonly Pulled[], limit: number): PullPlan {
  const pending = pulled.map((each) => pendingOf(cursors, each)).filter((each) => each !== null);
  pending.sort((one, other) => sizeOf(other) - sizeOf(one));
  const served = pending.slice(0, limit).reverse();
  const next = new Map(cursors);
  const pulls: Pull[] = [];
  let left = limit;
  let isCut = served.length < pending.length;
  served.forEach((each, index) => {
    const { slot, head, from, to } = each;
    const count = Math.min(sizeOf(each), Math.floor(left / (served.length - index)));
    const last = sequenceId(from + count - 1);
    left -= count;
    if (last < to) isCut = true;
    pulls.push({ slot, range: positionsOf(head.head, { from, to: last }) });
    next.set(slot, { gen: generationOf(head.head, last) ?? head.head.gen, seq: last });
  });
  return { pulls, cursors: next, hasMore: isCut };
}

/** What the device may pull behind its cursor; null for nothing. */
function pendingOf(cursors: ReadonlyMap<number, Position>, { slot, head }: Pulled): Pending | null {
  const cursor = cursors.get(slot);
  if (cursor === undefined || head === null) return null;
  const to = pullEnd(head.intervals, head.segments, cursor.seq, head.head.seq);
  // What is too old to be kept nobody gets any more.
  const from = sequenceId(Math.max(cursor.seq + 1, keptFrom(head.head)));
  return to !== null && to >= from ? { slot, head, from, to } : null;
}

const sizeOf = ({ from, to }: Pending): number => to - from + 1;

/**
 * The cursor of a device that has all that may be pulled from where the inbox stands. Whose stay has ended since is told only
 * where that is, as in `summaryNow`, and pulls the rest.
 */
export function cursorAtHead({ head, summary: { gen, seq } }: Pulled): Position {
  if (head === null || !isOpen(head.intervals)) return { gen, seq };
  const end = pullEnd(head.intervals, head.segments, seq, head.head.seq);
  const genAtEnd = end === null ? null : generationOf(head.head, end);
  return end === null || genAtEnd === null ? { gen, seq } : { gen: genAtEnd, seq: end };
}
