import { lastVisible, sees, visibleRanges, type MembershipInterval } from '@millrace/diffusion';
import { err, ok, sequenceId, type ConversationId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import {
  frameError,
  protocolLimits,
  type FrameError,
  type Page,
  type Thread,
  type WireEntry,
} from '@millrace/protocol';
import {
  conversationKey,
  generationOf,
  keptFrom,
  revisionsKey,
  StoreUnavailable,
  type TimelineHead,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Stamped } from '../conversation/stamped.ts';
import { current, type CurrentReads } from '../revise/current.ts';
import { readExtent, readRevisions } from '../revise/read-revisions.ts';
import { decodeReplies, repliesField } from '../revise/revision.ts';
import { ThreadIndex } from '../revise/thread-index.ts';
import { readEntry, tooOldError, withinBytes } from './read-messages.ts';

/**
 * A page of what has come in the thread of a message, of what the asker may see (I7, I11), in either direction.
 *
 * @param user - null for the deployment's backend.
 *
 * Rejects with StoreUnavailable.
 */
export async function thread(
  calls: ActorCalls,
  reads: CurrentReads,
  user: UserId | null,
  { conversation, seq: first, direction, from, limit = protocolLimits.pageRepliesDefault }: Omit<Thread, 't' | 'id'>,
): Promise<Result<Omit<Page<WireEntry>, 't' | 'id'>, FrameError>> {
  const seen = await calls.conversation(conversation, { t: 'visible', user });
  if (!seen.ok) return seen;
  const { head, intervals } = seen.value;
  if (first > head.seq) {
    return err(frameError('not_found', `there is no message ${String(first)} in ${conversation}`));
  }
  const tooOld = tooOldError(conversation, head, first);
  if (tooOld !== null && sees(intervals, first)) return err(tooOld);
  const index = await indexOf(calls, reads, conversation, first, seen.value);
  const wanted = await page(index, { head, intervals, direction, ...(from === undefined ? {} : { from }) }, limit + 1);
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const reading = Promise.all(
    wanted.slice(0, limit).map((seq) => {
      const gen = generationOf(head, seq);
      if (gen === null) throw new StoreUnavailable(`entry ${String(seq)} of ${actor} is not known`);
      return readEntry(reads.timelines, at, { gen, seq });
    }),
  ).then(withinBytes);
  const messages = await current(calls, reads, conversation, user, reading, seen.value);
  const last = lastVisible(intervals, head.seq);
  return ok({
    conversation,
    messages,
    hasMore: messages.length < wanted.length,
    head: { gen: generationOf(head, last) ?? head.gen, seq: last },
  });
}

/** Where the thread's replies stand, as it is stored: perhaps some behind what is acknowledged. */
async function indexOf(
  calls: ActorCalls,
  { records }: CurrentReads,
  conversation: ConversationId,
  first: SequenceId,
  { at: since }: Stamped,
): Promise<ThreadIndex> {
  const partition = calls.partitionOf(conversationKey(conversation));
  const key = revisionsKey(conversation);
  const reads = { records, partitionOf: () => partition, since };
  const extent = await readExtent(reads, conversation);
  const found = extent === null ? null : await readRevisions(reads, conversation, null, [first], extent);
  const replies = found?.revisions.get(first)?.replies ?? { count: 0, tail: [] };
  return new ThreadIndex(replies, async (index) => {
    const name = repliesField(first, index);
    const chunk = (await records.fields(partition, key, [name], since)).get(name);
    if (chunk === undefined)
      throw new StoreUnavailable(`the thread of ${String(first)} in ${conversation} cannot be read`);
    return decodeReplies(chunk);
  });
}

/** As many replies as are wanted, up to the acknowledged head (I1), of what may be seen. */
async function page(
  index: ThreadIndex,
  {
    head,
    intervals,
    direction,
    from,
  }: {
    readonly head: TimelineHead;
    readonly intervals: readonly MembershipInterval[];
    readonly direction: Thread['direction'];
    readonly from?: SequenceId;
  },
  wanted: number,
): Promise<readonly SequenceId[]> {
  const start = keptFrom(head);
  const whole =
    direction === 'forward'
      ? { from: sequenceId(Math.max(start, from ?? start)), to: head.seq }
      : { from: start, to: sequenceId(Math.min(head.seq, from ?? head.seq)) };
  if (whole.from > whole.to) return [];
  const visible = visibleRanges(intervals, whole);
  const seqs: SequenceId[] = [];
  for (const range of direction === 'forward' ? visible : [...visible].reverse()) {
    for await (const seq of index[direction](range.from, range.to)) {
      seqs.push(seq);
      if (seqs.length === wanted) return seqs;
    }
  }
  return seqs;
}
