import { visibleRanges, type MembershipInterval } from '@millrace/diffusion';
import type { ConversationId, SequenceId } from '@millrace/kernel';
import type { SeqInterval } from '@millrace/search';
import { generationOf, keptFrom, type Position, type TimelineHead } from '@millrace/timeline';

/** A conversation as the asker may search it: up to the acknowledged head (I1), within their stays (I7). */
export interface SeenConversation {
  readonly conversation: ConversationId;
  readonly head: TimelineHead;
  readonly intervals: readonly MembershipInterval[];
  /** Rising, apart from each other. */
  readonly visible: readonly SeqInterval[];
}

export function seenOf(
  conversation: ConversationId,
  head: TimelineHead,
  intervals: readonly MembershipInterval[],
): SeenConversation {
  const [from, to] = [keptFrom(head), head.seq];
  return { conversation, head, intervals, visible: from > to ? [] : visibleRanges(intervals, { from, to }) };
}

export const isSeen = ({ visible }: SeenConversation, seq: SequenceId): boolean =>
  visible.some(({ from, to }) => seq >= from && seq <= to);

/** Whether an entry is there, in this generation, and may be seen. */
export const seesEntry = (seen: SeenConversation, { gen, seq }: Position): boolean =>
  isSeen(seen, seq) && generationOf(seen.head, seq) === gen;

/** Whether something is there, behind what the asker sees of it, that they do not see. */
export const isPartial = ({ head, visible }: SeenConversation): boolean =>
  visible.length > 1 || (visible[0]?.to ?? head.seq) < head.seq;
