import { sees } from '@millrace/diffusion';
import { err, ok, type Result, type SequenceId } from '@millrace/kernel';
import { frameError, type FrameError, type Reply } from '@millrace/protocol';
import { withThreadReply } from '../revise/fold.ts';
import { encodeReplies, repliesField, type Revision } from '../revise/revision.ts';
import type { LookedUp } from './commands.ts';
import { erasedRefusal } from './erased-refusal.ts';
import type { ConversationState, Member } from './conversation-state.ts';

/*
 * Messages that answer others. Each stands in the thread of the message that it answers: the one that this one stands in,
 * or that begins with it. What has come in a thread is kept with what became of its first message.
 */

/** What a message answers, and what its thread is so far. */
export interface Answering {
  readonly fields: Required<Reply>;
  readonly before: Revision | null;
}

/** Whether the message may answer that one; null when it answers none, `stale` when what was looked up is too old. */
export function answering(
  state: ConversationState,
  { intervals }: Member,
  looked: LookedUp | undefined,
): Result<Answering | null | 'stale', FrameError> {
  if (looked?.refusal !== undefined) return err(looked.refusal);
  if (looked?.reply === undefined) return ok(null);
  const { target, thread } = looked.reply;
  const { seq, isControl } = target;
  if (!sees(intervals, seq)) {
    return err(frameError('not_found', `there is no message ${String(seq)} in ${state.id} that you may see`));
  }
  if (isControl) return err(frameError('forbidden', `entry ${String(seq)} is no message: nobody answers it`));
  const erased = erasedRefusal(state, target);
  if (erased !== null) return err(erased);
  const [ofTarget, before] = [state.revisions.of(target, state.gen), state.revisions.of(thread, state.gen)];
  if (ofTarget === 'stale' || before === 'stale') return ok('stale');
  if (ofTarget !== null && ofTarget.recalled !== null) {
    return err(frameError('conflict', `message ${String(seq)} was recalled, and cannot be answered any more`));
  }
  return ok({ fields: { replyTo: seq, thread: thread.seq }, before });
}

/** The message that was just appended stands in the thread. */
export function noteReply(
  state: ConversationState,
  { fields, before }: Answering,
  { seq }: { readonly seq: SequenceId },
): void {
  const { thread } = fields;
  const { revision, chunk } = withThreadReply(before, seq);
  state.revise(thread, revision);
  if (chunk !== null) state.revisions.put(repliesField(thread, chunk.index), encodeReplies(chunk.seqs));
}
