import { pullEnd } from '@millrace/diffusion';
import { sequenceId, type SequenceId } from '@millrace/kernel';
import { generationOf, type Position } from '@millrace/timeline';
import type { ConversationHead } from '../conversation/commands.ts';
import { positionsOf, type EntryRange } from './read-messages.ts';
import type { PulledNow } from './listing.ts';

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
export function planPulls(
  cursors: ReadonlyMap<number, Position>,
  pulled: readonly PulledNow[],
  limit: number,
): PullPlan {
  const pending: Pending[] = [];
  for (const { slot, head } of pulled) {
    const cursor = cursors.get(slot);
    if (cursor === undefined || head === null) continue;
    const to = pullEnd(head.intervals, head.segments, cursor.seq, head.head.seq);
    if (to !== null && to > cursor.seq) pending.push({ slot, head, from: sequenceId(cursor.seq + 1), to });
  }
  const sizeOf = ({ from, to }: Pending): number => to - from + 1;
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

/** The cursor of a device that has all that may be pulled from where the inbox stands. */
export function cursorAtHead({ head }: PulledNow, { gen, seq }: Position): Position {
  const end = head === null ? null : pullEnd(head.intervals, head.segments, seq, head.head.seq);
  const genAtEnd = head === null || end === null ? null : generationOf(head.head, end);
  return end === null || genAtEnd === null ? { gen, seq } : { gen: genAtEnd, seq: end };
}
