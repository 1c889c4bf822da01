import { isOpen, joinedAt, lastVisible, leftAt, modeNow } from '@millrace/diffusion';
import {
  err,
  isDirectConversationId,
  isLobbyId,
  ok,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  frameError,
  type Changed,
  type ControlBody,
  type Created,
  type FrameError,
  type Role,
  type WireEntry,
} from '@millrace/protocol';
import { generationOf } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { appendedEffect, switchEffect } from './appended.ts';
import type { ConversationCalls } from './commands.ts';
import type { ConversationMeta, ConversationState, Member } from './conversation-state.ts';
import { forgetDeleted } from './gone.ts';
import { forgetMentions } from './mentions.ts';
import { bannedError, blockedError } from './order-errors.ts';

type Outcome<Frame> = {
  readonly reply: Result<Omit<Frame, 't' | 'id'>, FrameError>;
  readonly effects: readonly Effect[];
};
export type ChangedOutcome = Outcome<Changed>;

export const refused = (
  error: FrameError,
): { readonly reply: Result<never, FrameError>; readonly effects: readonly Effect[] } => ({
  reply: err(error),
  effects: [],
});

export const rank: Readonly<Record<Role, number>> = { owner: 2, admin: 1, member: 0 };

export function changed(state: ConversationState, effects: readonly Effect[]): ChangedOutcome {
  const { gen, seq } = state.head.value;
  return { reply: ok({ conversation: state.id, gen, seq }), effects };
}

/** By this entry, whatever else follows on it in the same commit: a leaver may not see that (I11). */
function changedBy(state: ConversationState, { gen, seq }: WireEntry, effects: readonly Effect[]): ChangedOutcome {
  return { reply: ok({ conversation: state.id, gen, seq }), effects };
}

/** A new or returning member from the entry at `seq` on. Their reading begins there, and nobody has read what was not delivered. */
export function newMember(
  state: ConversationState,
  meta: ConversationMeta,
  user: UserId,
  role: Role,
  seq: SequenceId,
): Member {
  const before = state.members.get(user);
  const from = meta.historyPolicy === 'all' ? state.oldest : seq;
  forgetMentions(state, user, seq);
  forgetDeleted(state, user, seq);
  return {
    role,
    intervals: joinedAt(before?.intervals ?? [], seq, from),
    readSeq: seq,
    readMsgNo: state.msgNo.value,
    sentAtRead: state.sent(user).count,
    deliveredSeq: seq,
    // Who is muted stays so, however often they come and go.
    mutedUntilMs: before?.mutedUntilMs ?? 0,
    goneBefore: 0,
  };
}

export function create(
  state: ConversationState,
  { creator, kind, title, members, joinPolicy, historyPolicy }: ConversationCalls['create']['command'],
  nowMs: number,
  limits: MessagingLimits,
): Outcome<Created> {
  const existing = state.meta.value;
  const { gen, seq } = state.head.value;
  if (existing !== null) {
    const isTheirs =
      kind === 'direct' ? state.members.has(creator) : existing.createdBy === creator && existing.kind === kind;
    if (!isTheirs) return refused(frameError('conflict', `the conversation id ${state.id} is taken; choose another`));
    return { reply: ok({ conversation: state.id, gen, seq, fresh: false }), effects: [] };
  }
  if (state.staged.value?.isDone === false)
    return refused(frameError('conflict', `${state.id} is being imported: wait for that`));
  if ((kind === 'direct') !== isDirectConversationId(state.id)) {
    return refused(frameError('bad_request', 'an id with `!` belongs to a direct conversation, and only to one'));
  }
  if ((kind === 'lobby') !== isLobbyId(state.id)) {
    return refused(frameError('bad_request', 'an id that begins with `~` belongs to a lobby, and only to one'));
  }
  if (kind === 'direct' && state.bans.has(creator)) return refused(blockedError(creator));
  const users = [...new Set([creator, ...members])];
  if (users.length > limits.membersMax) {
    return refused(frameError('limit_reached', `a conversation has at most ${String(limits.membersMax)} members`));
  }
  const meta: ConversationMeta = {
    kind,
    title,
    joinPolicy,
    historyPolicy,
    createdBy: creator,
    createdAt: nowMs,
    muted: false,
    slowModeMs: 0,
    mentionAllBy: 'admins',
    pinBy: 'admins',
  };
  state.meta.value = meta;
  const control: ControlBody = { control: 'created', kind, title, members: users };
  const entry = state.appendControl(creator, control, nowMs);
  for (const user of users) {
    const role: Role = kind === 'direct' ? 'member' : user === creator ? 'owner' : 'member';
    state.setMember(user, newMember(state, meta, user, role, entry.seq));
  }
  return {
    reply: ok({ conversation: state.id, gen: entry.gen, seq: entry.seq, fresh: true }),
    effects: [
      appendedEffect(state, entry, () => state.recipients, { change: 'joined', users }),
      ...switchEffect(state, nowMs, limits),
    ],
  };
}

/** The conversation's facts if members may come and go in it, else why not. */
export function changeable(state: ConversationState): Result<ConversationMeta, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(frameError('not_found', `there is no conversation ${state.id}`));
  if (meta.kind === 'direct') return err(frameError('forbidden', 'the members of a direct conversation are fixed'));
  return ok(meta);
}

export function join(
  state: ConversationState,
  { user }: ConversationCalls['join']['command'],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const meta = changeable(state);
  if (!meta.ok) return refused(meta.error);
  if (state.present(user) !== null) return changed(state, []);
  if (state.bans.has(user)) return refused(bannedError(user));
  if (meta.value.joinPolicy !== 'open') return refused(frameError('forbidden', 'one joins here by invitation only'));
  return admit(state, meta.value, user, [user], nowMs, limits);
}

export function invite(
  state: ConversationState,
  { by, users }: ConversationCalls['invite']['command'],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const meta = changeable(state);
  if (!meta.ok) return refused(meta.error);
  if (by !== null) {
    const inviter = state.present(by);
    if (inviter === null) return refused(frameError('not_member', `${by} is not a member of ${state.id}`));
    if (meta.value.joinPolicy === 'invite' && inviter.role === 'member') {
      return refused(frameError('forbidden', 'only the owner and admins invite here'));
    }
  }
  const fresh = [...new Set(users)].filter((user) => state.present(user) === null);
  const banned = fresh.find((user) => state.bans.has(user));
  if (banned !== undefined) return refused(bannedError(banned));
  return fresh.length === 0 ? changed(state, []) : admit(state, meta.value, by, fresh, nowMs, limits);
}

export function admit(
  state: ConversationState,
  meta: ConversationMeta,
  by: UserId | null,
  users: readonly UserId[],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  if (state.memberCount + users.length > limits.membersMax) {
    return refused(frameError('limit_reached', `a conversation has at most ${String(limits.membersMax)} members`));
  }
  const restless = users.find((user) => (state.members.get(user)?.intervals.length ?? 0) >= limits.intervalsMax);
  if (restless !== undefined) {
    return refused(frameError('limit_reached', `${restless} has come and gone here more often than is remembered`));
  }
  const entry = state.appendControl(by, { control: 'joined', users }, nowMs);
  for (const user of users) state.setMember(user, newMember(state, meta, user, 'member', entry.seq));
  return changedBy(state, entry, [
    appendedEffect(state, entry, () => state.recipients, { change: 'joined', users }),
    ...succession(state, by, nowMs),
    ...switchEffect(state, nowMs, limits),
  ]);
}

export function leave(
  state: ConversationState,
  { user }: ConversationCalls['leave']['command'],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const meta = changeable(state);
  if (!meta.ok) return refused(meta.error);
  const member = state.members.get(user);
  if (member === undefined) return refused(frameError('not_member', `${user} is not a member of ${state.id}`));
  if (!isOpen(member.intervals)) return hasLeft(state, member);
  return dismiss(state, user, 'left', [user], nowMs, limits);
}

/** Who left before learns no later position than the last that they may see (I11). */
function hasLeft(state: ConversationState, { intervals }: Member): ChangedOutcome {
  const head = state.head.value;
  const seq = lastVisible(intervals, head.seq);
  return { reply: ok({ conversation: state.id, gen: generationOf(head, seq) ?? head.gen, seq }), effects: [] };
}

export function kick(
  state: ConversationState,
  { by, users }: ConversationCalls['kick']['command'],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const meta = changeable(state);
  if (!meta.ok) return refused(meta.error);
  const kicker = by === null ? null : state.present(by);
  if (by !== null && kicker === null) return refused(frameError('not_member', `${by} is not a member of ${state.id}`));
  const present = [...new Set(users)].filter((user) => state.present(user) !== null);
  if (kicker !== null) {
    const over = present.find((user) => rank[state.present(user)?.role ?? 'member'] >= rank[kicker.role]);
    if (over !== undefined) return refused(frameError('forbidden', `a ${kicker.role} cannot remove ${over}`));
  }
  return present.length === 0 ? changed(state, []) : dismiss(state, by, 'kicked', present, nowMs, limits);
}

/** Ends memberships. Who goes still sees the entry that tells of it, and is among its recipients (I7). */
export function dismiss(
  state: ConversationState,
  by: UserId | null,
  how: 'left' | 'kicked',
  users: readonly UserId[],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  // As they are before the change.
  const before = modeNow(state.segments.value) === 'write' ? state.recipients : [];
  const entry = state.appendControl(by, { control: how, users }, nowMs);
  for (const user of users) {
    const member = state.members.get(user);
    if (member !== undefined && isOpen(member.intervals)) {
      state.setMember(user, { ...member, role: 'member', intervals: leftAt(member.intervals, entry.seq) });
    }
  }
  const effects = [appendedEffect(state, entry, () => before, { change: 'left', users })];
  const following = [...succession(state, by, nowMs), ...switchEffect(state, nowMs, limits)];
  return changedBy(state, entry, [...effects, ...following]);
}

/** Makes the heir the owner where there is none: after one has left, or when all had and one comes back. */
export function succession(state: ConversationState, by: UserId | null, nowMs: number): readonly Effect[] {
  const heir = nextOwner(state);
  return heir === null ? [] : [appointed(state, by, heir, 'owner', nowMs)];
}

/** A conversation with members has an owner: the longest-standing admin, else the longest-standing member. */
function nextOwner(state: ConversationState): UserId | null {
  let heir: { readonly user: UserId; readonly role: Role; readonly since: number } | null = null;
  for (const [user, member] of state.members.entries()) {
    if (!isOpen(member.intervals)) continue;
    const { role } = member;
    if (role === 'owner') return null;
    const since = member.intervals.at(-1)?.joined ?? 0;
    // By the user id last: a record does not keep the order in which members were named.
    const higher = heir === null || rank[role] > rank[heir.role];
    const same = heir !== null && rank[role] === rank[heir.role];
    const older = heir !== null && (since < heir.since || (since === heir.since && user < heir.user));
    if (higher || (same && older)) heir = { user, role, since };
  }
  return heir?.user ?? null;
}

function appointed(state: ConversationState, by: UserId | null, user: UserId, role: Role, nowMs: number): Effect {
  const member = state.members.get(user);
  // Nobody would be there to unmute an owner.
  const mutedUntilMs = role === 'owner' ? 0 : (member?.mutedUntilMs ?? 0);
  if (member !== undefined) state.setMember(user, { ...member, role, mutedUntilMs });
  const entry = state.appendControl(by, { control: 'role', user, role }, nowMs);
  return appendedEffect(state, entry, () => state.recipients);
}

export function setRole(
  state: ConversationState,
  { by, user, role }: ConversationCalls['role']['command'],
  nowMs: number,
): ChangedOutcome {
  const meta = changeable(state);
  if (!meta.ok) return refused(meta.error);
  if (by !== null && state.present(by)?.role !== 'owner')
    return refused(frameError('forbidden', 'only an owner changes roles'));
  const member = state.present(user);
  if (member === null) return refused(frameError('not_member', `${user} is not a member of ${state.id}`));
  if (member.role === role) return changed(state, []);
  const owners = state.recipients.filter((other) => state.present(other)?.role === 'owner');
  if (member.role === 'owner' && owners.length === 1) {
    return refused(frameError('forbidden', 'the last owner stays: make another member an owner first'));
  }
  return changed(state, [appointed(state, by, user, role, nowMs)]);
}
