import { err, isDirectConversationId, ok, type Result, type UserId } from '@millrace/kernel';
import { frameError, type Bans, type FrameError, type Info, type Role } from '@millrace/protocol';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { appendedEffect } from './appended.ts';
import type { ConversationCalls, SettingsChange } from './commands.ts';
import { metaOf } from './conversation-meta.ts';
import { NEVER_MS, type ConversationMeta, type ConversationState, type Member } from './conversation-state.ts';
import { changeable, changed, dismiss, rank, refused, type ChangedOutcome } from './membership.ts';
import { mutedUntil } from './muted-until.ts';
import { blockedError } from './order-errors.ts';
import { pinnedFor } from './pinned-for.ts';
import { LOOKED_AT_MAX, notFound, settingsTold } from './queries.ts';

/*
 * Who may keep order in a conversation, and how: mutes, bans, slow mode, its settings, and blocks between two users.
 *
 * Times are the server's wall time, for convenience only: a clock that jumps ends a mute early or late, and changes nothing
 * of what is stored or in which order (I10).
 */

/**
 * Whether `by` may keep order here, over all of `users`: the deployment's backend (null) over everybody, the owner and
 * admins over those of a lower role.
 */
function mayModerate(
  state: ConversationState,
  by: UserId | null,
  users: readonly UserId[] = [],
): Result<ConversationMeta, FrameError> {
  const meta = changeable(state);
  if (!meta.ok || by === null) return meta;
  const role = state.present(by)?.role;
  if (role === undefined) return err(frameError('not_member', `${by} is not a member of ${state.id}`));
  if (role === 'member') return err(frameError('forbidden', 'only the owner and admins may do this'));
  const over = users.find((user) => rank[state.present(user)?.role ?? 'member'] >= rank[role]);
  if (over === undefined) return meta;
  return err(
    frameError('forbidden', `${over} is ${state.present(over)?.role ?? 'member'}: only a higher role may do this`),
  );
}

/** A control entry that every present member gets, and the answer that tells of it. */
function entered(
  state: ConversationState,
  by: UserId | null,
  control: Parameters<ConversationState['appendControl']>[1],
  nowMs: number,
  before: readonly Effect[] = [],
): ChangedOutcome {
  const entry = state.appendControl(by, control, nowMs);
  return changed(state, [...before, appendedEffect(state, entry, () => state.recipients)]);
}

/** Title, policies, whether all are muted, and slow mode: what differs becomes one entry. */
export function changeSettings(
  state: ConversationState,
  { by, change }: ConversationCalls['settings']['command'],
  nowMs: number,
): ChangedOutcome {
  const meta = mayModerate(state, by);
  if (!meta.ok) return refused(meta.error);
  const different = Object.fromEntries(
    Object.entries(change).filter(([name, value]) => meta.value[name as keyof SettingsChange] !== value),
  ) as SettingsChange;
  if (Object.keys(different).length === 0) return changed(state, []);
  const isKept = different.retentionDays !== undefined || different.lifetimeMs !== undefined;
  if (isKept && by !== null && state.present(by)?.role !== 'owner')
    return refused(frameError('forbidden', 'only the owner says how long messages are kept'));
  state.meta.value = metaOf({ ...meta.value, ...different });
  if (different.slowModeMs === 0) state.forgetLastSent();
  return entered(state, by, { control: 'settings', ...different }, nowMs);
}

/** Those of `users` that are members and whose mute would change, with what they would be then. */
function muted(
  state: ConversationState,
  users: readonly UserId[],
  untilMs: number,
): readonly (readonly [UserId, Member])[] {
  return [...new Set(users)].flatMap((user) => {
    const member = state.present(user);
    return member === null || member.mutedUntilMs === untilMs
      ? []
      : [[user, { ...member, mutedUntilMs: untilMs }] as const];
  });
}

export function mute(
  state: ConversationState,
  { by, users, until }: ConversationCalls['mute']['command'],
  nowMs: number,
): ChangedOutcome {
  const meta = mayModerate(state, by, users);
  if (!meta.ok) return refused(meta.error);
  if (until !== null && until <= nowMs) {
    const message = `until must be later than the server's time, which is ${String(nowMs)}; leave it out for ever`;
    return refused(frameError('bad_request', message));
  }
  const members = muted(state, users, until ?? NEVER_MS);
  if (members.length === 0) return changed(state, []);
  for (const [user, member] of members) state.setMember(user, member);
  return entered(state, by, { control: 'muted', users: members.map(([user]) => user), until }, nowMs);
}

export function unmute(
  state: ConversationState,
  { by, users }: ConversationCalls['unmute']['command'],
  nowMs: number,
): ChangedOutcome {
  const meta = mayModerate(state, by, users);
  if (!meta.ok) return refused(meta.error);
  const members = muted(state, users, 0);
  if (members.length === 0) return changed(state, []);
  for (const [user, member] of members) state.setMember(user, member);
  return entered(state, by, { control: 'unmuted', users: members.map(([user]) => user) }, nowMs);
}

/**
 * Removes those who are members, by the same entry as a kick does, so that everything which knows that one knows them to be
 * gone; and then keeps all of them out until they are unbanned. In one commit.
 */
export function ban(
  state: ConversationState,
  { by, users }: ConversationCalls['ban']['command'],
  nowMs: number,
  limits: MessagingLimits,
): ChangedOutcome {
  const meta = mayModerate(state, by, users);
  if (!meta.ok) return refused(meta.error);
  const fresh = [...new Set(users)].filter((user) => !state.bans.has(user));
  if (fresh.length === 0) return changed(state, []);
  if (state.bans.size + fresh.length > limits.bansMax) {
    const message = `at most ${String(limits.bansMax)} users are banned at a time; unban some, or let one join by invitation only`;
    return refused(frameError('limit_reached', message));
  }
  for (const user of fresh) state.setBan(user, { by, atMs: nowMs });
  const present = fresh.filter((user) => state.present(user) !== null);
  const gone = present.length === 0 ? [] : dismiss(state, by, 'kicked', present, nowMs, limits).effects;
  return entered(state, by, { control: 'banned', users: fresh }, nowMs, gone);
}

export function unban(
  state: ConversationState,
  { by, users }: ConversationCalls['unban']['command'],
  nowMs: number,
): ChangedOutcome {
  const meta = mayModerate(state, by);
  if (!meta.ok) return refused(meta.error);
  const banned = [...new Set(users)].filter((user) => state.bans.has(user));
  if (banned.length === 0) return changed(state, []);
  for (const user of banned) state.bans.delete(user);
  return entered(state, by, { control: 'unbanned', users: banned }, nowMs);
}

/** Who is banned, in order of user id. */
export function bans(
  state: ConversationState,
  { by, after, limit }: ConversationCalls['bans']['command'],
): Result<Omit<Bans, 't' | 'id'>, FrameError> {
  const meta = mayModerate(state, by);
  if (!meta.ok) return meta;
  const users: UserId[] = [];
  let next: UserId | null = null;
  let last: UserId | null = null;
  let looked = 0;
  for (const user of state.banIndex.behind(after)) {
    if (users.length === limit || looked === LOOKED_AT_MAX) {
      next = last;
      break;
    }
    looked += 1;
    last = user;
    if (state.bans.has(user)) users.push(user);
  }
  return ok({ conversation: state.id, count: state.bans.size, users, next });
}

/**
 * Keeps one of the two users of a direct conversation from writing in it, or lets them again. Kept with the conversation,
 * also while it was not created, so that it stands in the way of the first message; and in no entry, for it is nobody's
 * business but the blocker's.
 */
export function block(
  state: ConversationState,
  { by, user, isOn }: ConversationCalls['block']['command'],
  nowMs: number,
): Result<null, FrameError> {
  if (!isDirectConversationId(state.id)) return err(frameError('bad_request', 'only a user can be blocked'));
  if (!isOn) state.bans.delete(user);
  else if (!state.bans.has(user)) state.setBan(user, { by, atMs: nowMs });
  return ok(null);
}

/** Who shares a direct conversation with another user, and is not blocked by them, may see whether they are online. */
export function mayWatch(
  state: ConversationState,
  { by }: ConversationCalls['mayWatch']['command'],
): Result<null, FrameError> {
  if (state.meta.value?.kind === 'direct' && state.present(by) !== null && !state.bans.has(by)) return ok(null);
  const other = state.id.split('!').find((user) => user !== by) ?? state.id;
  // The same of one who has blocked them, who is nobody's business.
  return err(
    frameError('forbidden', `you cannot see whether ${other} is online: it takes a direct conversation with them`),
  );
}

/** Why this member may not write now, by what order was made here; null when they may. */
export function orderRefusal(
  state: ConversationState,
  meta: ConversationMeta,
  user: UserId,
  { role, mutedUntilMs }: { readonly role: Role; readonly mutedUntilMs: number },
  nowMs: number,
): FrameError | null {
  if (meta.kind === 'direct') return state.bans.has(user) ? blockedError(user) : null;
  if (meta.muted && role === 'member') {
    return frameError('muted', 'all members are muted here: only the owner and admins write until that is lifted');
  }
  if (mutedUntilMs === NEVER_MS)
    return frameError('muted', `${user} is muted here until the owner or an admin unmutes them`);
  if (mutedUntilMs <= nowMs) return null;
  const message = `${user} is muted here until ${new Date(mutedUntilMs).toISOString()}`;
  return frameError('muted', message, { retryAfterMs: mutedUntilMs - nowMs });
}

/** Whether the member wrote too short a time ago; null when not. The owner and admins write as they like. */
export function slowRefusal(
  state: ConversationState,
  { slowModeMs }: ConversationMeta,
  user: UserId,
  role: Role,
  nowMs: number,
): FrameError | null {
  const last = state.lastSentMs.get(user);
  if (slowModeMs === 0 || role !== 'member' || last === undefined) return null;
  // A clock that was set back must not keep anybody waiting for longer than the rule says.
  const waitMs = Math.min(last + slowModeMs - nowMs, slowModeMs);
  if (waitMs <= 0) return null;
  const seconds = String(Math.ceil(slowModeMs / 1_000));
  return frameError('slow_mode', `here a member writes once in ${seconds} s; wait`, { retryAfterMs: waitMs });
}

/** A conversation's settings and what holds for the asker in it. */
export function infoFor(
  state: ConversationState,
  { user }: ConversationCalls['infoFor']['command'],
): Result<Omit<Info, 't' | 'id'>, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(notFound(state));
  const member = state.present(user);
  if (member === null) return err(frameError('not_member', `${user} is not a member of ${state.id}`));
  const isBlocked = [...state.bans.keys()].some((other) => other !== user);
  return ok({
    ...settingsTold(state, meta),
    role: member.role,
    ...mutedUntil(member),
    ...pinnedFor(state, user),
    ...(meta.kind === 'direct' ? { blocked: isBlocked } : {}),
  });
}
