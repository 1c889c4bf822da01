import { lastVisible, type MembershipInterval } from '@millrace/diffusion';
import { err, ok, sequenceId, type ConversationId, type Result } from '@millrace/kernel';
import { frameError, type FrameError, type History, type Page, type WireEntry } from '@millrace/protocol';
import { type MemoryTimeline, type TimelineHead } from '@millrace/timeline';
import { lostBefore, PAGE_DEFAULT } from '../sync/history.ts';
import { planPage, wireEntry, withinBytes } from '../sync/read-messages.ts';

/** A page of what a lobby keeps, of what the asker may see (I7), with where that begins: never silence about the rest. */
export function keptPage(
  conversation: ConversationId,
  { head, timeline }: { readonly head: TimelineHead; readonly timeline: MemoryTimeline },
  intervals: readonly MembershipInterval[],
  query: Omit<History, 't' | 'id' | 'conversation'>,
): Result<Omit<Page<WireEntry>, 't' | 'id'>, FrameError> {
  const lost = lostBefore(head, query);
  if (lost !== null) return err(frameError('regressed', lost.message, { from: lost.from }));
  const { direction } = query;
  const { first } = timeline;
  const from = query.from ?? (direction === 'forward' ? first : head.seq);
  const limit = query.limit ?? PAGE_DEFAULT;
  const { ranges, hasMore } = planPage({ head: { ...head, first }, intervals, direction, from, limit });
  const entries = ranges.flatMap((range) => {
    const rising = timeline.range(range.from, range.to);
    return direction === 'forward' ? rising : [...rising].reverse();
  });
  const fitting = withinBytes(entries);
  return ok({
    conversation,
    messages: fitting.map(wireEntry),
    hasMore: hasMore || fitting.length < entries.length,
    head: { gen: head.gen, seq: sequenceId(lastVisible(intervals, head.seq)) },
    first,
  });
}
