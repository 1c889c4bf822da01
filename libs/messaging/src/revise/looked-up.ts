import { err, ok, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { LookedUp } from '../conversation/commands.ts';
import { isInMemory, type Answered } from './asking.ts';
import type { CurrentReads } from './current.ts';
import { revisionFacts, targetFacts } from './target-facts.ts';

const noThreads = frameError('forbidden', 'a lobby has no threads: send it without replyTo');

/** What does not pass: the conversation answers it, for it knows whether the same was stored before it did not. */
export const refusalOf = (error: FrameError): Answered<LookedUp> =>
  error.retry === 'never' ? ok({ refusal: error }) : err(error);

/**
 * What a message answers, if its author may see it (I7, I11), and the thread that it comes into by that.
 *
 * Rejects with StoreUnavailable.
 */
export async function replyLookedUp(
  calls: ActorCalls,
  reads: CurrentReads,
  conversation: ConversationId,
  user: UserId,
  replyTo: SequenceId,
): Promise<Answered<LookedUp>> {
  if (await isInMemory(calls, conversation)) return err(noThreads);
  const target = await targetFacts(calls, reads, conversation, user, replyTo);
  if (!target.ok) return refusalOf(target.error);
  const seq = target.value.thread ?? target.value.seq;
  if (seq === target.value.seq) return ok({ reply: { target: target.value, thread: target.value } });
  const thread = await revisionFacts(calls, reads, conversation, seq);
  return thread.ok ? ok({ reply: { target: target.value, thread: thread.value } }) : thread;
}
