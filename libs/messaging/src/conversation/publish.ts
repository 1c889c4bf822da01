import { ok, err, type Result, type UserId } from '@millrace/kernel';
import {
  frameError,
  type AckedLevel,
  type EntryFields,
  type FrameError,
  type Mentions,
  type Role,
} from '@millrace/protocol';
import { allocateSeq } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationCalls, LookedUp } from './commands.ts';
import { appendedEffect, noteLoad, switchEffect } from './appended.ts';
import type { ConversationMeta, ConversationState, Member } from './conversation-state.ts';
import { keyRefusal, rememberKey } from './keyed.ts';
import { mentionable, noMentions, noteMentions } from './mentions.ts';
import { orderRefusal, slowRefusal } from './moderation.ts';
import { duplicateAck, judged, numberRefusal, type AckContent } from './numbering.ts';
import { answering, noteReply, type Answering } from './replying.ts';
import { counted, noSends } from './send-counter.ts';

type Numberless = Omit<EntryFields, 'msgNo' | 'countable'>;
type Outcome = { readonly reply: Result<AckContent | 'stale', FrameError>; readonly effects: readonly Effect[] };

const refused = (error: FrameError): Outcome => ({ reply: err(error), effects: [] });
const stale: Outcome = { reply: ok('stale'), effects: [] };

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
  return refusal === null ? ok({ meta, user, role, member }) : err(refusal);
}

/** A member who may write, but for slow mode: that is looked at when nothing else is wrong with the message. */
interface Writer {
  readonly meta: ConversationMeta;
  readonly user: UserId;
  readonly role: Role;
  readonly member: Member;
}

const tooSoon = (state: ConversationState, { meta, user, role }: Writer, nowMs: number): FrameError | null =>
  slowRefusal(state, meta, user, role, nowMs);

/** A device's message: deduplicated, authorised, sequenced (I4). */
export function publish(
  state: ConversationState,
  { by, send, looked }: ConversationCalls['publish']['command'],
  nowMs: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome {
  const { key, tag } = state.deviceOf(by.user, by.device);
  const counter = state.counters.get(key) ?? noSends;
  const numbered = { n: send.n, after: send.after ?? send.n - 1, sentAt: send.sentAt };
  const verdict = judged(counter, numbered);
  // The first answer stands, whatever has become of the membership since.
  if (verdict.kind === 'duplicate') return { reply: ok(duplicateAck(state, send.n, verdict.seq, level)), effects: [] };
  const mayWrite = writer(state, by.user, nowMs);
  if (!mayWrite.ok) return refused(mayWrite.error);
  const outOfTurn = numberRefusal(counter, numbered, verdict, limits.sendWindow);
  if (outOfTurn !== null) return refused(outOfTurn);
  const mentioned = mentionable(state, mayWrite.value.meta, mayWrite.value.role, send);
  if (!mentioned.ok) return refused(mentioned.error);
  const reply = answering(state, mayWrite.value.member, looked);
  if (!reply.ok) return refused(reply.error);
  if (reply.value === 'stale') return stale;
  const soon = tooSoon(state, mayWrite.value, nowMs);
  if (soon !== null) return refused(soon);
  const { type, body, sentAt, n } = send;
  const fields = { from: by.user, deviceTag: tag, n, sentAt, at: nowMs, type, body };
  const entry = state.append(withMore(fields, mentioned.value, reply.value, looked), true);
  noteMentions(state, by.user, entry, mentioned.value);
  if (reply.value !== null) noteReply(state, reply.value, entry);
  state.setCounter(key, counted(counter, n, entry.seq, sentAt, limits.sendWindow));
  return accepted(state, entry, { writer: mayWrite.value, n, at: nowMs }, level, limits);
}

/** A backend's message in the name of a user, with a client message id of free form (I4). */
export function publishKeyed(
  state: ConversationState,
  { from, key, window, seq, type, body, looked, ...mentions }: ConversationCalls['publishKeyed']['command'],
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
  const outOfWindow = keyRefusal(state, window);
  if (outOfWindow !== null) return refused(outOfWindow);
  if (seq !== undefined) {
    const free = allocateSeq(state.head.value, seq);
    if (!free.ok) return refused(frameError('conflict', free.error.message));
  }
  const mentioned = mentionable(state, mayWrite.value.meta, mayWrite.value.role, mentions);
  if (!mentioned.ok) return refused(mentioned.error);
  const reply = answering(state, mayWrite.value.member, looked);
  if (!reply.ok) return refused(reply.error);
  if (reply.value === 'stale') return stale;
  const soon = tooSoon(state, mayWrite.value, nowMs);
  if (soon !== null) return refused(soon);
  const { key: counterOf } = state.deviceOf(from, '*api');
  const counter = state.counters.get(counterOf) ?? noSends;
  const fields = { from, deviceTag: 0, n: 0, sentAt: nowMs, at: nowMs, type, body };
  const entry = state.append(withMore(fields, mentioned.value, reply.value, looked), true);
  noteMentions(state, from, entry, mentioned.value);
  if (reply.value !== null) noteReply(state, reply.value, entry);
  state.setCounter(counterOf, counted(counter, counter.last + 1, entry.seq, counter.sentAt, 1));
  rememberKey(state, keyOfUser, entry.seq, limits);
  return accepted(state, entry, { writer: mayWrite.value, n: 0, at: nowMs }, level, limits);
}

/** Most messages have no more than their fields. */
function withMore(
  fields: Numberless,
  mentions: Mentions,
  reply: Answering | null,
  looked: LookedUp | undefined,
): Numberless {
  const forwardedFrom = looked?.forwardedFrom;
  if (mentions === noMentions && reply === null && forwardedFrom === undefined) return fields;
  return { ...fields, ...mentions, ...reply?.fields, ...(forwardedFrom === undefined ? {} : { forwardedFrom }) };
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
  const switched = switchEffect(state, at, limits);
  return {
    reply: ok({ conversation: state.id, n, gen, seq, msgNo, at, level, duplicate: false }),
    effects: switched.length === 0 ? [sent] : [sent, ...switched],
  };
}
