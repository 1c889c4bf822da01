import { ok, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError, type Message, type MessagePlace, type SendableType } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { LookedUp } from '../conversation/commands.ts';
import { history } from '../sync/history.ts';
import type { Answered } from './asking.ts';
import type { CurrentReads } from './current.ts';
import { refusalOf } from './looked-up.ts';

/** What is sent of a message that is forwarded: what it says now, to the user who forwards it. */
export interface Forwarded {
  readonly type: SendableType;
  readonly body: string | Uint8Array;
  readonly looked: LookedUp;
}

/**
 * Takes a message from where it stands, as the user sees it there (I7, I11): no client says what somebody has said.
 *
 * Rejects with StoreUnavailable.
 */
export async function forwardLookedUp(
  calls: ActorCalls,
  reads: CurrentReads,
  user: UserId,
  { conversation, seq }: MessagePlace,
): Promise<Answered<Forwarded>> {
  const page = await history(calls, reads, user, { conversation, direction: 'forward', from: seq, limit: 1 });
  const found = page.ok ? (page.value.messages.find((each) => each.seq === seq) ?? null) : null;
  if (!page.ok) return refused(page.error);
  if (found === null) {
    return refused(frameError('not_found', `there is no message ${String(seq)} in ${conversation} that you may see`));
  }
  const { message } = found;
  const { type } = message;
  if (type === 'control' || type === 'void') {
    return refused(frameError('forbidden', `entry ${String(seq)} of ${conversation} is no message: it stays there`));
  }
  const refusal = goneRefusal(message, conversation);
  if (refusal !== null) return refused(refusal);
  const { from: author, at, body, forwardedFrom = { conversation, seq, author, at } } = message;
  return ok({ type, body, looked: { forwardedFrom } });
}

function goneRefusal({ seq, recalled, deleted, erased }: Message, conversation: string): FrameError | null {
  const what = `message ${String(seq)} of ${conversation}`;
  if (recalled !== undefined) return frameError('conflict', `${what} was recalled, and cannot be forwarded any more`);
  if (erased === true) return frameError('conflict', `${what} was erased, and cannot be forwarded any more`);
  return deleted === true ? frameError('conflict', `you have deleted ${what}, and cannot forward it any more`) : null;
}

function refused(error: FrameError): Result<Forwarded, FrameError> {
  const looked = refusalOf(error);
  return looked.ok ? ok({ type: 'text', body: '', looked: looked.value }) : looked;
}
