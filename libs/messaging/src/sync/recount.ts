import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, noGone, type FrameError } from '@millrace/protocol';
import { conversationKey, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Doubtful, Recount, Uncounted, UserItem } from '../user/commands.ts';
import { ownAfter } from './mark-read.ts';
import { standingsFor } from './standings.ts';

/** Every round asks anew about what came in doubt meanwhile; more than one is rare already. */
const ROUNDS_MAX = 5;

/**
 * Asks a user's actor for what shows where the user stands. Where the inbox has missed something, or may hold what its
 * conversation has lost, the conversation says what is true, and counts the user's own messages again, before anybody is
 * told of it.
 */
export async function confirmed<T extends Doubtful>(
  calls: ActorCalls,
  timelines: TimelineReader,
  user: UserId,
  ask: () => Promise<Result<T, FrameError>>,
): Promise<Result<T, FrameError>> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const answer = await ask();
    if (!answer.ok) return answer;
    const { unconfirmed, uncounted: toCount } = answer.value;
    if (unconfirmed.length === 0 && toCount.length === 0) return answer;
    const standings = await standingsFor(calls, timelines, user, unconfirmed);
    if (!standings.ok) return standings;
    const items: UserItem[] = [...standings.value];
    for (const uncounted of toCount) {
      const recounted = await recount(calls, timelines, user, uncounted);
      if (!recounted.ok) return recounted;
      items.push(recounted.value);
    }
    const delivered = await calls.user(user, { t: 'deliver', items });
    if (!delivered.ok) return delivered;
  }
  return err(frameError('unavailable', 'what was lost is still being found out; try again'));
}

const nothing: Pick<Recount, 'sent' | 'reading' | 'mentions' | 'gone'> = {
  sent: 0,
  mentions: [],
  gone: noGone,
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
  const { sent, reading, mentions, gone } = plan.value;
  const told = { ...(mentions === undefined ? {} : { mentions }), ...(gone === undefined ? {} : { gone }) };
  return ok({ d: 'recount', conversation, from, sent: Math.max(0, sent - later), reading, ...told });
}
