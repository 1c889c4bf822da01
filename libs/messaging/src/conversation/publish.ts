import { generation, ok, err, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { deviceTag, frameError, type Ack, type AckedLevel, type FrameError, type Role } from '@millrace/protocol';
import { allocateSeq, generationOf } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationCalls } from './commands.ts';
import { appendedEffect, noteLoad, switchEffect } from './appended.ts';
import { counterKey, type ConversationMeta, type ConversationState } from './conversation-state.ts';
import { mentionable, noteMentions } from './mentions.ts';
import { orderRefusal, slowRefusal } from './moderation.ts';
import { counted, judgeCounter, noSends } from './send-counter.ts';

type AckContent = Omit<Ack, 't' | 'id'>;
type Outcome = { readonly reply: Result<AckContent, FrameError>; readonly effects: readonly Effect[] };

const refused = (error: FrameError): Outcome => ({ reply: err(error), effects: [] });

/** Whether this user may write here now. */
function writer(state: ConversationState, user: UserId, nowMs: number): Result<Writer, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(frameError('not_found', `there is no conversation ${state.id}`));
  const member = state.present(user);
  if (member === null) return err(frameError('not_member', `${user} is not a member of ${state.id}`));
  const { role } = member;
  if (meta.kind === 'channel' && role === 'member') {
    return err(frameError('forbidden', 'in a channel only its owner and admins write'));
  }
  const refusal = orderRefusal(state, meta, user, member, nowMs);
  return refusal === null ? ok({ meta, user, role }) : err(refusal);
}

/** A member who may write, but for slow mode: that is looked at when nothing else is wrong with the message. */
interface Writer {
  readonly meta: ConversationMeta;
  readonly user: UserId;
  readonly role: Role;
}

const tooSoon = (state: ConversationState, { meta, user, role }: Writer, nowMs: number): FrameError | null =>
  slowRefusal(state, meta, user, role, nowMs);

function duplicateAck(state: ConversationState, n: number, seq: SequenceId, level: AckedLevel): AckContent {
  const gen = generationOf(state.head.value, seq) ?? generation(state.gen);
  return { conversation: state.id, n, gen, seq, msgNo: 0, at: 0, level, duplicate: true };
}

/** A device's message: deduplicated, authorised, sequenced (I4). */
export function publish(
  state: ConversationState,
  { by, send }: ConversationCalls['publish']['command'],
  nowMs: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome {
  const key = counterKey(by.user, by.device);
  const counter = state.counters.get(key) ?? noSends;
  const after = send.after ?? send.n - 1;
  const verdict = judgeCounter(counter, send.n, after);
  // The first answer stands, whatever has become of the membership since.
  if (verdict.kind === 'duplicate') return { reply: ok(duplicateAck(state, send.n, verdict.seq, level)), effects: [] };
  const mayWrite = writer(state, by.user, nowMs);
  if (!mayWrite.ok) return refused(mayWrite.error);
  if (verdict.kind === 'out_of_order') {
    const { expected } = verdict;
    const sent = `n ${String(send.n)} was sent to follow n ${String(after)}`;
    const message = `${sent}, but this device's last message here is n ${String(expected - 1)}: send what follows that first`;
    return refused(frameError('out_of_order', message, { expected }));
  }
  if (verdict.kind === 'skipped') {
    const message = `n ${String(send.n)} was skipped: n ${String(verdict.n)} was sent to follow n ${String(verdict.after)}`;
    return refused(frameError('expired', message));
  }
  if (verdict.kind === 'expired') {
    return refused(
      frameError(
        'expired',
        `n ${String(send.n)} is more than ${String(limits.sendWindow)} messages back and is no longer remembered`,
      ),
    );
  }
  if (send.sentAt < counter.sentAt) {
    const message = `sentAt ${String(send.sentAt)} is below this device's last one here, ${String(counter.sentAt)}`;
    return refused(frameError('bad_request', message));
  }
  const mentioned = mentionable(state, mayWrite.value.meta, mayWrite.value.role, send);
  if (!mentioned.ok) return refused(mentioned.error);
  const soon = tooSoon(state, mayWrite.value, nowMs);
  if (soon !== null) return refused(soon);
  const { type, body, sentAt, n } = send;
  const tag = deviceTag(by.user, by.device);
  const fields = { from: by.user, deviceTag: tag, n, sentAt, at: nowMs, type, body };
  const entry = state.append({ ...fields, ...mentioned.value }, true);
  noteMentions(state, by.user, entry, mentioned.value);
  state.setCounter(key, counted(counter, n, entry.seq, sentAt, limits.sendWindow));
  return accepted(state, entry, { writer: mayWrite.value, n, at: nowMs }, level, limits);
}

/** A backend's message in the name of a user, with a client message id of free form (I4). */
export function publishKeyed(
  state: ConversationState,
  { from, key, window, seq, type, body, ...mentions }: ConversationCalls['publishKeyed']['command'],
  nowMs: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome {
  // Of the user's own: what another one calls the same is another message, and must not be lost as a retry of this one.
  const keyOfUser = `${from}/${key}`;
  const known = state.keys.get(keyOfUser);
  if (known !== undefined) return { reply: ok(duplicateAck(state, 0, known.seq, level)), effects: [] };
  const mayWrite = writer(state, from, nowMs);
  if (!mayWrite.ok) return refused(mayWrite.error);
  const current = state.keyWindow.value;
  if (window < current.window - 1) {
    const message = `window ${String(window)} is over, keys of it are no longer remembered; the present one is ${String(current.window)}`;
    return refused(frameError('expired', message));
  }
  if (window > current.window) {
    return refused(
      frameError(
        'bad_request',
        `window ${String(window)} was not issued yet; the present one is ${String(current.window)}`,
      ),
    );
  }
  if (seq !== undefined) {
    const free = allocateSeq(state.head.value, seq);
    if (!free.ok) return refused(frameError('conflict', free.error.message));
  }
  const mentioned = mentionable(state, mayWrite.value.meta, mayWrite.value.role, mentions);
  if (!mentioned.ok) return refused(mentioned.error);
  const soon = tooSoon(state, mayWrite.value, nowMs);
  if (soon !== null) return refused(soon);
  const counterOf = counterKey(from, '@api');
  const counter = state.counters.get(counterOf) ?? noSends;
  const fields = { from, deviceTag: 0, n: 0, sentAt: nowMs, at: nowMs, type, body };
  const entry = state.append({ ...fields, ...mentioned.value }, true);
  noteMentions(state, from, entry, mentioned.value);
  state.setCounter(counterOf, counted(counter, counter.last + 1, entry.seq, counter.sentAt, 1));
  rememberKey(state, keyOfUser, entry.seq, limits);
  return accepted(state, entry, { writer: mayWrite.value, n: 0, at: nowMs }, level, limits);
}

/** Keys are dropped a window at a time: the present and the previous window are remembered. */
function rememberKey(state: ConversationState, key: string, seq: SequenceId, limits: MessagingLimits): void {
  const { window, used } = state.keyWindow.value;
  state.keys.set(key, { window, seq });
  if (used + 1 < limits.keysPerWindow) {
    state.keyWindow.value = { window, used: used + 1 };
    return;
  }
  state.keyWindow.value = { window: window + 1, used: 0 };
  for (const [old, sent] of [...state.keys.entries()]) if (sent.window < window) state.keys.delete(old);
}

function accepted(
  state: ConversationState,
  entry: ReturnType<ConversationState['append']>,
  { writer: { user, meta }, n, at }: { readonly writer: Writer; readonly n: number; readonly at: number },
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome {
  const { gen, seq } = entry;
  if (state.memberCount > limits.receiptMembersMax) state.noteLatest(user, seq);
  if (meta.slowModeMs > 0) state.lastSentMs.set(user, at);
  const msgNo = state.msgNo.value;
  noteLoad(state, at, limits);
  const sent = appendedEffect(state, entry, () => state.recipients);
  return {
    reply: ok({ conversation: state.id, n, gen, seq: sequenceId(seq), msgNo, at, level, duplicate: false }),
    effects: [sent, ...switchEffect(state, at, limits)],
  };
}
