import type { FrameError, ScheduledMessage } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { ChatService } from '../chat-service.ts';
import type { DueJob } from './due-jobs.ts';

export type PublishKeyed = ChatService['publishKeyed'];

/** What a job came to. `again`: it is to be tried again, and why. */
export type DueOutcome =
  { readonly kind: 'sent' | 'failed' | 'nothing' } | { readonly kind: 'again'; readonly why: string };

const again = ({ message }: FrameError): DueOutcome => ({ kind: 'again', why: message });

const shown = ({ code, message }: FrameError, isLast: boolean): NonNullable<ScheduledMessage['error']> => ({
  code,
  message: isLast ? `given up after many attempts, and perhaps sent by one whose answer was lost: ${message}` : message,
});

/**
 * Sends a scheduled message whose time has come, as its user, by the way of every message.
 *
 * (S3) By a client message id that is the job's (I4), with a window from before the first attempt that is stored before it:
 *      whatever ends amid this, and however often it runs, there is one message at most.
 * (S4) What is refused for good is stored with the reason; what may pass is tried again.
 *
 * @param isLast - there is no other attempt: what it is refused for now is final.
 */
export async function sendDue(
  calls: Pick<ActorCalls, 'user' | 'conversation'>,
  publishKeyed: PublishKeyed,
  { user, key, job }: Pick<DueJob, 'user' | 'key' | 'job'>,
  isLast: boolean,
): Promise<DueOutcome> {
  const found = await calls.user(user, { t: 'due', key, job });
  if (!found.ok) return again(found.error);
  const { due } = found.value;
  if (due === null) return { kind: 'nothing' };
  const { conversation, type, body = '', mentions, mentionAll, replyTo } = due.message;
  const refused = async (error: FrameError): Promise<DueOutcome> => {
    if (error.retry === 'later' && !isLast) return again(error);
    const outcome = { error: shown(error, error.retry === 'later') };
    const settled = await calls.user(user, { t: 'settleScheduled', key, job, outcome });
    return settled.ok ? { kind: 'failed' } : again(settled.error);
  };
  let { window } = due;
  if (window === null) {
    const info = await calls.conversation(conversation, { t: 'info' });
    if (!info.ok) return refused(info.error);
    window = info.value.keyWindow;
    const begun = await calls.user(user, { t: 'sending', key, job, window });
    if (!begun.ok) return again(begun.error);
    if (!begun.value.isDue) return { kind: 'nothing' };
  }
  const sent = await publishKeyed({
    ...{ conversation, from: user, key: `scheduled/${job}`, window, type, body },
    ...(mentions === undefined ? {} : { mentions }),
    ...(mentionAll === undefined ? {} : { mentionAll }),
    ...(replyTo === undefined ? {} : { replyTo }),
  });
  if (!sent.ok) return refused(sent.error);
  const { gen, seq } = sent.value;
  const settled = await calls.user(user, { t: 'settleScheduled', key, job, outcome: { gen, seq } });
  return settled.ok ? { kind: 'sent' } : again(settled.error);
}
