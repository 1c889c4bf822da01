import { isOpen, lastVisible, modeNow } from '@millrace/diffusion';
import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, goneFields, unreadOf, type FrameError, type ReadDone } from '@millrace/protocol';
import { generationOf } from '@millrace/timeline';
import type { Effect, ReadMoved } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationCalls, ReadPlan } from './commands.ts';
import type { ConversationState, Member } from './conversation-state.ts';
import { forgetDeleted, goneBeforeAt, goneFor } from './gone.ts';
import { forgetMentions, mentionsOf } from './mentions.ts';

type Done = Omit<ReadDone, 't' | 'id'>;

const unknownMember = (state: ConversationState, user: UserId): FrameError =>
  state.meta.value === null
    ? frameError('not_found', `there is no conversation ${state.id}`)
    : frameError('not_member', `${user} is not a member of ${state.id}`);

/** Null also while there is no conversation, but what an import has brought so far. */
const memberOf = (state: ConversationState, user: UserId): Member | null =>
  state.meta.value === null ? null : (state.members.get(user) ?? null);

/** The unread count with its inputs, as the conversation knows them. */
function readDone(state: ConversationState, user: UserId, member: Member): Done {
  const { readSeq, readMsgNo, sentAtRead } = member;
  const own = state.sent(user).count - sentAtRead;
  const msgNo = state.msgNo.value;
  const inputs = { msgNo, readMsgNo, own, ...goneFields(goneFor(state, user, member)) };
  return { conversation: state.id, readSeq, ...inputs, unread: unreadOf(inputs) };
}

export function readPlan(
  state: ConversationState,
  { user, seq }: ConversationCalls['readPlan']['command'],
): Result<ReadPlan, FrameError> {
  const member = memberOf(state, user);
  if (member === null) return err(unknownMember(state, user));
  const head = state.head.value;
  const upTo = sequenceId(Math.min(seq, lastVisible(member.intervals, head.seq)));
  const { count, lastSeq } = state.sent(user);
  const done = upTo <= member.readSeq ? readDone(state, user, member) : null;
  const { readSeq, readMsgNo, sentAtRead } = member;
  const reading = { readSeq, readMsgNo, sentAtRead };
  const concern = { mentions: mentionsOf(state, user, member), gone: goneFor(state, user, member) };
  const known = { sent: count, lastSentSeq: lastSeq, reading, ...concern };
  const { goneBefore } = member;
  const asked = goneBeforeAt(state, member, upTo, null) === null;
  const countGone = asked ? { countGone: { goneBefore, recalledFrom: state.recalled.value.from } } : {};
  return ok({ upTo, head, headMsgNo: state.msgNo.value, ...known, ...countGone, done, at: state.answeredAt });
}

/**
 * Moves a read position, never back. `msgNo` and `sentAtRead` were looked up in the Timeline, which does not change, but for
 * what it loses: then they are of an entry that is not there.
 */
export function markRead(
  state: ConversationState,
  { user, seq, gen, msgNo, sentAtRead, goneBefore: counted }: ConversationCalls['markRead']['command'],
  limits: MessagingLimits,
): { readonly reply: Result<Done, FrameError>; readonly effects: readonly Effect[] } {
  const member = memberOf(state, user);
  if (member === null) return { reply: err(unknownMember(state, user)), effects: [] };
  if (seq <= member.readSeq) return { reply: ok(readDone(state, user, member)), effects: [] };
  if (gen !== undefined && gen !== generationOf(state.head.value, seq)) {
    const message = 'what was read was lost while the position was looked up; try again';
    return { reply: err(frameError('unavailable', message)), effects: [] };
  }
  const goneBefore = goneBeforeAt(state, member, seq, counted ?? null);
  if (goneBefore === null) {
    const message = 'more was recalled while the position was looked up; try again';
    return { reply: err(frameError('unavailable', message)), effects: [] };
  }
  const { moved, told } = moveRead(state, user, member, { readSeq: seq, readMsgNo: msgNo, sentAtRead, goneBefore });
  return { reply: ok(readDone(state, user, moved)), effects: [told, ...receiptEffect(state, user, moved, limits)] };
}

/** @returns with `told` what the user's own devices have to know. */
export function moveRead(
  state: ConversationState,
  user: UserId,
  member: Member,
  to: Pick<Member, 'readSeq' | 'readMsgNo' | 'sentAtRead' | 'goneBefore'>,
): { readonly moved: Member; readonly told: ReadMoved } {
  const { readSeq, readMsgNo, sentAtRead } = to;
  const deliveredSeq = sequenceId(Math.max(member.deliveredSeq, readSeq));
  // Not by spreading: what it gives have each a shape of their own in the engine, and members are looked at for each message.
  const moved: Member = {
    role: member.role,
    intervals: member.intervals,
    readSeq,
    readMsgNo,
    sentAtRead,
    deliveredSeq,
    mutedUntilMs: member.mutedUntilMs,
    goneBefore: to.goneBefore,
  };
  state.setMember(user, moved);
  forgetMentions(state, user, readSeq);
  forgetDeleted(state, user, readSeq);
  // Who pulls has no inbox that would count.
  const isPulled = isOpen(member.intervals) && modeNow(state.segments.value) === 'read';
  const sent = isPulled ? state.sent(user).count : null;
  const gone = goneFor(state, user, moved);
  const position = { readSeq, readMsgNo, sentAtRead, gone };
  return { moved, told: { e: 'read', conversation: state.id, user, gen: state.gen, ...position, sent } };
}

export function markDelivered(
  state: ConversationState,
  { user, seq }: ConversationCalls['delivered']['command'],
  limits: MessagingLimits,
): { readonly reply: Result<null, FrameError>; readonly effects: readonly Effect[] } {
  const member = memberOf(state, user);
  if (member === null) return { reply: err(unknownMember(state, user)), effects: [] };
  const upTo = sequenceId(Math.min(seq, lastVisible(member.intervals, state.head.value.seq)));
  if (upTo <= member.deliveredSeq) return { reply: ok(null), effects: [] };
  const moved: Member = { ...member, deliveredSeq: upTo };
  state.setMember(user, moved);
  return { reply: ok(null), effects: receiptEffect(state, user, moved, limits) };
}

/**
 * Of a small conversation every member is told of each position. That grows with the square of the members: of a large one
 * the authors of the latest messages are told counts instead, about once a second (see `ReceiptDigests`).
 */
function receiptEffect(
  state: ConversationState,
  user: UserId,
  { readSeq, deliveredSeq, intervals }: Member,
  limits: MessagingLimits,
): readonly Effect[] {
  if (!isOpen(intervals)) return [];
  if (state.memberCount > limits.receiptMembersMax) {
    return state.latest.value.length === 0 ? [] : [{ e: 'positions', conversation: state.id }];
  }
  const users = state.recipients.filter((other) => other !== user);
  return [{ e: 'receipt', users, receipt: { conversation: state.id, user, readSeq, deliveredSeq } }];
}

/** In a large conversation somebody types all the time, and telling everybody would grow with the square of the members. */
export function typing(
  state: ConversationState,
  { user }: ConversationCalls['typing']['command'],
  limits: MessagingLimits,
): readonly Effect[] {
  if (state.present(user) === null || state.memberCount > limits.receiptMembersMax) return [];
  // Who is blocked by the other one of a direct conversation cannot reach them by this either.
  if (state.meta.value?.kind === 'direct' && state.bans.has(user)) return [];
  const users = state.recipients.filter((other) => other !== user);
  return [{ e: 'typing', users, notice: { conversation: state.id, user } }];
}
