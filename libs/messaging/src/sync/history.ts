import { lastVisible } from '@millrace/diffusion';
import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError, type History, type Page, type WireEntry } from '@millrace/protocol';
import { conversationKey, cursorStatus, generationOf, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { planPage, positionsOf, readDense, wireEntry, withinBytes } from './read-messages.ts';

const LIMIT_DEFAULT = 50;

/** A page of a conversation, in either direction, of what the asker may see (I7, I11). */
export async function history(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId | null,
  query: Omit<History, 't' | 'id'>,
): Promise<Result<Omit<Page<WireEntry>, 't' | 'id'>, FrameError>> {
  const { conversation, direction } = query;
  const seen = await calls.conversation(conversation, { t: 'visible', user });
  if (!seen.ok) return seen;
  const { head, intervals } = seen.value;
  if (query.gen !== undefined && query.from !== undefined) {
    // Going forward the reader has what is before `from`; going backward it has `from` itself.
    const seq = sequenceId(Math.max(0, direction === 'forward' ? query.from - 1 : query.from));
    const status = cursorStatus(head, { gen: query.gen, seq });
    if (status.kind === 'regressed') {
      const message = `what came after seq ${String(status.from)} in generation ${String(query.gen)} was lost`;
      return err(frameError('regressed', message, { from: status.from }));
    }
  }
  const from = query.from ?? (direction === 'forward' ? sequenceId(1) : head.seq);
  const { ranges, hasMore } = planPage({ head, intervals, direction, from, limit: query.limit ?? LIMIT_DEFAULT });
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const pages = await Promise.all(ranges.map((range) => readDense(timelines, at, positionsOf(head, range), direction)));
  const entries = pages.flat();
  const fitting = withinBytes(entries);
  const last = lastVisible(intervals, head.seq);
  return ok({
    conversation,
    messages: fitting.map(wireEntry),
    hasMore: hasMore || fitting.length < entries.length,
    head: { gen: generationOf(head, last) ?? head.gen, seq: last },
  });
}
