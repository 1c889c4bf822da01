import { ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, type FrameError, type Read, type ReadDone } from '@millrace/protocol';
import { conversationKey, generationOf, StoreUnavailable, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ReadPlan } from '../conversation/commands.ts';
import { positionsOf, readDense } from './read-messages.ts';

const PAGE = 500;

/**
 * Moves a read position. What it stands for (`msgNo`, the user's own messages up to there) is looked up in the Timeline,
 * outside of the actor, which does no I/O; a Timeline does not change, so the answer is still true when it arrives.
 */
export async function markRead(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId,
  { conversation, seq }: Omit<Read, 't' | 'id'>,
): Promise<Result<Omit<ReadDone, 't' | 'id'>, FrameError>> {
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
  return calls.conversation(conversation, { t: 'markRead', user, seq: plan.value.upTo, msgNo, sentAtRead });
}

type Where = Parameters<typeof readDense>[1];

async function msgNoAt(timelines: TimelineReader, at: Where, { upTo, head, headMsgNo }: ReadPlan): Promise<number> {
  if (upTo === head.seq) return headMsgNo;
  const gen = generationOf(head, upTo);
  const entry = gen === null ? null : await timelines.at(at.partition, at.actor, { gen, seq: upTo });
  if (entry === null) throw new StoreUnavailable(`entry ${String(upTo)} of ${at.actor} cannot be read`);
  return decodeEntry(entry.data).msgNo;
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
  for (let from = after + 1; from <= lastSentSeq; from += PAGE) {
    const to = sequenceId(Math.min(lastSentSeq, from + PAGE - 1));
    const entries = await readDense(timelines, at, positionsOf(head, { from: sequenceId(from), to }), 'forward');
    for (const { data } of entries) {
      const entry = decodeEntry(data);
      if (entry.countable && entry.from === user) own += 1;
    }
  }
  return own;
}
