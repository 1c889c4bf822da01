import { isOpen, lastVisible, modeNow } from '@millrace/diffusion';
import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError, type ReadDone } from '@millrace/protocol';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { ConversationCalls, ReadPlan } from './commands.ts';
import type { ConversationState, Member } from './conversation-state.ts';
import { forgetMentions, mentionsOf } from './mentions.ts';

type Done = Omit<ReadDone, 't' | 'id'>;

const unknownMember = (state: ConversationState, user: UserId): FrameError =>
  state.meta.value === null
    ? frameError('not_found', `there is no conversation ${state.id}`)
    : frameError('not_member', `${user} is not a member of ${state.id}`);

/** The unread count with its inputs, as the conversation knows them. */
function readDone(state: ConversationState, user: UserId, member: Member): Done {
  const { readSeq, readMsgNo, sentAtRead } = member;
  const own = state.sent(user).count - sentAtRead;
  const msgNo = state.msgNo.value;
  return { conversation: state.id, msgNo, readSeq, readMsgNo, own, unread: Math.max(0, msgNo - readMsgNo - own) };
}

export function readPlan(
  state: ConversationState,
  { user, seq }: ConversationCalls['readPlan']['command'],
): Result<ReadPlan, FrameError> {
  const member = state.members.get(user);
  if (member === undefined) return err(unknownMember(state, user));
  const head = state.head.value;
  const upTo = sequenceId(Math.min(seq, lastVisible(member.intervals, head.seq)));
  const { count, lastSeq } = state.sent(user);
  const done = upTo <= member.readSeq ? readDone(state, user, member) : null;
  const { readSeq, readMsgNo, sentAtRead } = member;
  const reading = { readSeq, readMsgNo, sentAtRead };
  const known = { sent: count, lastSentSeq: lastSeq, reading, mentions: mentionsOf(state, user, member) };
  return ok({ upTo, head, headMsgNo: state.msgNo.value, ...known, done });
}

/** Moves a read position, never back. `msgNo` and `sentAtRead` were looked up in the Timeline, which does not change. */
export function markRead(
  state: ConversationState,
  { user, seq, msgNo, sentAtRead }: ConversationCalls['markRead']['command'],
  limits: MessagingLimits,
): { readonly reply: Result<Done, FrameError>; readonly effects: readonly Effect[] } {
  const member = state.members.get(user);
  if (member === undefined) return { reply: err(unknownMember(state, user)), effects: [] };
  if (seq <= member.readSeq) return { reply: ok(readDone(state, user, member)), effects: [] };
  const deliveredSeq = sequenceId(Math.max(member.deliveredSeq, seq));
  const moved: Member = { ...member, readSeq: seq, readMsgNo: msgNo, sentAtRead, deliveredSeq };
  state.setMember(user, moved);
  forgetMentions(state, user, seq);
  // Who pulls has no inbox that would count.
  const isPulled = isOpen(member.intervals) && modeNow(state.segments.value) === 'read';
  const sent = isPulled ? state.sent(user).count : null;
  const effects: Effect[] = [
    { e: 'read', conversation: state.id, user, gen: state.gen, readSeq: seq, readMsgNo: msgNo, sentAtRead, sent },
    ...receiptEffect(state, user, moved, limits),
  ];
  return { reply: ok(readDone(state, user, moved)), effects };
}

export function markDelivered(
  state: ConversationState,
  { user, seq }: ConversationCalls['delivered']['command'],
  limits: MessagingLimits,
): { readonly reply: Result<null, FrameError>; readonly effects: readonly Effect[] } {
  const member = state.members.get(user);
  if (member === undefined) return { reply: err(unknownMember(state, user)), effects: [] };
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
