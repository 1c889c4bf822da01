import { ok, sequenceId, type ConversationId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, type FrameError, type Read, type ReadDone } from '@millrace/protocol';
import { conversationKey, generationOf, keptFrom, StoreUnavailable, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ReadPlan } from '../conversation/commands.ts';
import type { CurrentReads } from '../revise/current.ts';
import { readExtent, readRevisions } from '../revise/read-revisions.ts';
import { positionsOf, readDense, readEntry } from './read-messages.ts';

const PAGE = 500;

/**
 * Moves a read position. What it stands for (`msgNo`, the user's own messages up to there) is looked up in the Timeline,
 * outside of the actor, which does no I/O; a Timeline does not change, so the answer is still true when it arrives, as long as
 * that entry has not been lost.
 */
export async function markRead(
  calls: ActorCalls,
  reads: CurrentReads,
  user: UserId,
  { conversation, seq }: Omit<Read, 't' | 'id'>,
): Promise<Result<Omit<ReadDone, 't' | 'id'>, FrameError>> {
  const { timelines } = reads;
  const plan = await calls.conversation(conversation, { t: 'readPlan', user, seq });
  if (!plan.ok) return plan;
  if (plan.value.done !== null) return ok(plan.value.done);
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const [msgNo, later] = await Promise.all([
    msgNoAt(timelines, at, plan.value),
    ownAfter(timelines, at, user, plan.value),
  ]);
  const sentAtRead = plan.value.sent - later;
  const { upTo: position, countGone, head } = plan.value;
  const gen = generationOf(head, position);
  const moved = { t: 'markRead', user, seq: position, ...(gen === null ? {} : { gen }), msgNo, sentAtRead } as const;
  if (countGone === undefined) return calls.conversation(conversation, moved);
  const count = await goneBetween(calls, reads, conversation, user, plan.value, countGone.recalledFrom);
  return calls.conversation(conversation, { ...moved, goneBefore: { count, ...countGone } });
}

/**
 * How many messages behind the new read position, and below those that the conversation lists, were recalled: of one who
 * reads on in the midst of what was recalled long ago. Mostly nobody asks.
 */
async function goneBetween(
  calls: ActorCalls,
  { timelines, records }: CurrentReads,
  conversation: ConversationId,
  user: UserId,
  { upTo, head, at: since }: ReadPlan,
  below: SequenceId,
): Promise<number> {
  const actor = conversationKey(conversation);
  const at = { partition: calls.partitionOf(actor), actor };
  const reads = { records, partitionOf: () => at.partition, since };
  const extent = await readExtent(reads, conversation);
  if (extent === null) return 0;
  let gone = 0;
  for (let from = upTo + 1; from < below; from += PAGE) {
    const to = sequenceId(Math.min(below - 1, from + PAGE - 1));
    const entries = await readDense(timelines, at, positionsOf(head, { from: sequenceId(from), to }), 'forward');
    const found = await readRevisions(
      reads,
      conversation,
      user,
      entries.map((entry) => entry.seq),
      extent,
    );
    for (const { seq, data } of entries) {
      const recalled = found?.revisions.get(seq)?.recalled ?? null;
      // What was deleted is counted by its list.
      if (recalled === null || found?.deleted.has(seq) === true) continue;
      const entry = decodeEntry(data);
      if (entry.countable && entry.from !== user) gone += 1;
    }
  }
  return gone;
}

type Where = Parameters<typeof readDense>[1];

async function msgNoAt(timelines: TimelineReader, at: Where, { upTo, head, headMsgNo }: ReadPlan): Promise<number> {
  if (upTo === head.seq) return headMsgNo;
  const gen = generationOf(head, upTo);
  if (gen === null) throw new StoreUnavailable(`entry ${String(upTo)} of ${at.actor} is not known`);
  return decodeEntry((await readEntry(timelines, at, { gen, seq: upTo })).data).msgNo;
}

export const ownAfter = (timelines: TimelineReader, at: Where, user: UserId, plan: ReadPlan): Promise<number> =>
  ownBehind(timelines, at, user, { after: plan.upTo, lastSentSeq: plan.lastSentSeq, head: plan.head });

/** How many countable messages of the user come behind `after`: none, mostly, and then nothing is read. */
export async function ownBehind(
  timelines: TimelineReader,
  at: Where,
  user: UserId,
  { after, lastSentSeq, head }: Pick<ReadPlan, 'lastSentSeq' | 'head'> & { readonly after: SequenceId },
): Promise<number> {
  let own = 0;
  for (let from = Math.max(after + 1, keptFrom(head)); from <= lastSentSeq; from += PAGE) {
    const to = sequenceId(Math.min(lastSentSeq, from + PAGE - 1));
    const entries = await readDense(timelines, at, positionsOf(head, { from: sequenceId(from), to }), 'forward');
    for (const { data } of entries) {
      const entry = decodeEntry(data);
      if (entry.countable && entry.from === user) own += 1;
    }
  }
  return own;
}
