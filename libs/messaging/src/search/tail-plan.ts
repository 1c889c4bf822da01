import { sequenceId, type ConversationId, type SequenceId } from '@millrace/kernel';
import { cursorStatus, keptFrom, type Position } from '@millrace/timeline';
import type { SeenConversation } from './seen-conversation.ts';

/** The entries of a conversation that the index does not have yet, as far as they are read: `from..to`. */
export interface TailRange {
  readonly seen: SeenConversation;
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/** What lies between `indexedThrough` and `searchedFrom` was not looked at. */
export interface Unsearched {
  readonly conversation: ConversationId;
  readonly indexedThrough: SequenceId;
  readonly searchedFrom: SequenceId;
}

export interface TailPlan {
  readonly reads: readonly TailRange[];
  readonly unsearched: readonly Unsearched[];
}

/** The first entry that the index does not have, of what is there. */
function firstUnindexed({ head }: SeenConversation, through: Position | null): SequenceId {
  const first = keptFrom(head);
  if (through === null) return first;
  const status = cursorStatus(head, through);
  // What was lost behind there is in the index still, and is found out when its hits are looked at.
  const next = status.kind === 'valid' ? status.next : sequenceId(status.from + 1);
  return sequenceId(Math.max(first, next));
}

/**
 * Which entries to read beside what the index answers, so that a message is found as soon as it is acknowledged. All
 * entries count, also those that the asker does not see: an edit may stand there of a message that they do. The shortest
 * tails are read whole, of the others the newest part, `entriesMax` together.
 *
 * @param through - how far each is indexed, in their order; null for one of which nothing is.
 */
export function planTail(
  conversations: readonly SeenConversation[],
  through: readonly (Position | null)[],
  entriesMax: number,
): TailPlan {
  const tails = conversations.flatMap((seen, index): readonly TailRange[] => {
    const from = firstUnindexed(seen, through[index] ?? null);
    const to = seen.head.seq;
    return seen.visible.length === 0 || from > to ? [] : [{ seen, from, to }];
  });
  tails.sort((one, other) => sizeOf(one) - sizeOf(other));
  const reads: TailRange[] = [];
  const unsearched: Unsearched[] = [];
  let left = entriesMax;
  for (const [index, tail] of tails.entries()) {
    const count = Math.min(sizeOf(tail), Math.floor(left / (tails.length - index)));
    left -= count;
    const from = sequenceId(tail.to - count + 1);
    if (count > 0) reads.push({ ...tail, from });
    if (from > tail.from) unsearched.push(unsearchedOf(tail, from));
  }
  return { reads, unsearched };
}

const sizeOf = ({ from, to }: TailRange): number => to - from + 1;

/** @param searchedFrom - the first entry of the tail that was looked at. */
export const unsearchedOf = ({ seen, from }: TailRange, searchedFrom: SequenceId): Unsearched => ({
  conversation: seen.conversation,
  indexedThrough: sequenceId(from - 1),
  searchedFrom,
});
