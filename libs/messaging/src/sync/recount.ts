import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Countable, Recount, Uncounted } from '../user/commands.ts';
import { ownAfter } from './mark-read.ts';

/** Every round counts anew what came in doubt meanwhile; more than one is rare already. */
const ROUNDS_MAX = 5;

/**
 * Asks a user's actor for what shows unread counts. Where the inbox has missed something, or holds what its conversation
 * has lost, the user's own messages are counted again by the conversation before anybody is told a number.
 */
export async function counted<T extends Countable>(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId,
  ask: () => Promise<Result<T, FrameError>>,
): Promise<Result<T, FrameError>> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const answer = await ask();
    if (!answer.ok || answer.value.uncounted.length === 0) return answer;
    const items: Recount[] = [];
    for (const uncounted of answer.value.uncounted) {
      const recounted = await recount(calls, timelines, user, uncounted);
      if (!recounted.ok) return recounted;
      items.push(recounted.value);
    }
    const delivered = await calls.user(user, { t: 'deliver', items });
    if (!delivered.ok) return delivered;
  }
  return err(frameError('unavailable', 'unread messages are being counted again; try again'));
}

const nothing: Pick<Recount, 'sent' | 'reading'> = {
  sent: 0,
  reading: { readSeq: sequenceId(0), readMsgNo: 0, sentAtRead: 0 },
};

async function recount(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId,
  { conversation, from }: Uncounted,
): Promise<Result<Recount, FrameError>> {
  const plan = await calls.conversation(conversation, { t: 'readPlan', user, seq: from });
  if (!plan.ok) {
    // The conversation has lost that it ever knew them.
    const isUnknown = plan.error.code === 'not_found' || plan.error.code === 'not_member';
    return isUnknown ? ok({ d: 'recount', conversation, from, ...nothing }) : plan;
  }
  const actor = conversationKey(conversation);
  const later = await ownAfter(timelines, { partition: calls.partitionOf(actor), actor }, user, plan.value);
  return ok({ d: 'recount', conversation, from, sent: plan.value.sent - later, reading: plan.value.reading });
}
