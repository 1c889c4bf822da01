import { isDiffused, isOpen, lastReceived, modeBehind, receivedRanges, receivesAny } from '@millrace/diffusion';
import { err, ok, sequenceId, type Result, type UserId } from '@millrace/kernel';
import { deviceTag, frameError, type FrameError, type MemberInfo, type Members } from '@millrace/protocol';
import type { ConversationInfo } from '../chat-service.ts';
import type {
  Audience,
  AudienceAt,
  AudienceMember,
  ConversationCalls,
  ConversationHead,
  RecipientAt,
  Standings,
  Visible,
  WatchState,
} from './commands.ts';
import type { ConversationMeta, ConversationState } from './conversation-state.ts';
import { factsOf } from './facts.ts';
import { goneFor } from './gone.ts';
import { mentionsOf, type Present, watchMembers } from './mentions.ts';
import { mutedUntil } from './muted-until.ts';
import { pinnedFor } from './pinned-for.ts';

/** Of one member: the ones that sent something here first longest ago are left out. */
const DEVICES_TOLD_MAX = 32;

/** Who are or were members, looked at for one page: so that a page costs the same in every conversation (I9). */
export const LOOKED_AT_MAX = 2_000;

export const notFound = (state: ConversationState): FrameError =>
  frameError('not_found', `there is no conversation ${state.id}`);

/** What the asker may see of the Timeline: their memberships' times, or all of it for the deployment itself (null). */
export function visible(
  state: ConversationState,
  { user }: ConversationCalls['visible']['command'],
): Result<Visible, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  const { answeredAt: at } = state;
  if (user === null) {
    const intervals = [{ joined: sequenceId(1), from: sequenceId(1), to: null }];
    return ok({ head: state.head.value, intervals, at });
  }
  const member = state.members.get(user);
  if (member === undefined) return err(frameError('not_member', `${user} is not a member of ${state.id}`));
  return ok({ head: state.head.value, intervals: member.intervals, at });
}

export function members(
  state: ConversationState,
  { by, after, limit }: ConversationCalls['members']['command'],
): Result<Omit<Members, 't' | 'id'>, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  if (by !== null && state.present(by) === null)
    return err(frameError('not_member', `${by} is not a member of ${state.id}`));
  const found: MemberInfo[] = [];
  let next: UserId | null = null;
  let looked = 0;
  let last: UserId | null = null;
  for (const user of state.index.behind(after)) {
    const member = state.present(user);
    // The page is full, and there is one more; or too many who are gone were looked at for one page (I9).
    if ((member !== null && found.length === limit) || looked === LOOKED_AT_MAX) {
      next = last;
      break;
    }
    looked += 1;
    last = user;
    if (member === null) continue;
    const { role, readSeq, deliveredSeq } = member;
    found.push({ user, role, readSeq, deliveredSeq, ...mutedUntil(member) });
  }
  return ok({ conversation: state.id, count: state.memberCount, members: found, next });
}

/** What is the same for all who may ask. */
export function settingsTold(state: ConversationState, meta: ConversationMeta) {
  const { kind, title, joinPolicy, historyPolicy, muted, slowModeMs, mentionAllBy, pinBy } = meta;
  const { retentionDays = 0, lifetimeMs = 0 } = meta;
  const kept = { ...(retentionDays === 0 ? {} : { retentionDays }), ...(lifetimeMs === 0 ? {} : { lifetimeMs }) };
  const policies = { joinPolicy, historyPolicy, muted, slowModeMs, mentionAllBy, pinBy, ...kept };
  return { conversation: state.id, kind, title, ...policies, memberCount: state.memberCount };
}

export function info(state: ConversationState): Result<ConversationInfo, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(notFound(state));
  const { gen, seq } = state.head.value;
  return ok({
    ...settingsTold(state, meta),
    ...pinnedFor(state, null),
    gen,
    seq,
    msgNo: state.msgNo.value,
    keyWindow: state.keyWindow.value.window,
    diffusion: modeBehind(state.segments.value, seq),
  });
}

/** Keeps the least of what it is given, at most `most`, in order. */
function keepLeast(kept: UserId[], user: UserId, most: number): void {
  const last = kept.at(-1);
  if (kept.length >= most && last !== undefined && user > last) return;
  const at = kept.findIndex((each) => each > user);
  kept.splice(at < 0 ? kept.length : at, 0, user);
  if (kept.length > most) kept.pop();
}

/** What the members say of one entry. Goes through all of them, a bounded number, and picks out a few. */
export function audienceAt(
  state: ConversationState,
  { seq, author, user, limit }: ConversationCalls['audienceAt']['command'],
): Result<AudienceAt, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(notFound(state));
  const picked: UserId[] = [];
  let recipients = 0;
  let delivered = 0;
  let read = 0;
  for (const [id, { intervals, deliveredSeq, readSeq }] of state.members.entries()) {
    if (receivedRanges(intervals, { from: seq, to: seq }).length === 0) continue;
    recipients += 1;
    if (id !== author?.user && deliveredSeq >= seq) delivered += 1;
    if (id !== author?.user && readSeq >= seq) read += 1;
    if (user === null || user === id) keepLeast(picked, id, limit);
  }
  const devices = author === null ? [] : state.devicesOf(author.user);
  const authorDevice = devices.find((device) => author !== null && deviceTag(author.user, device) === author.deviceTag);
  const members = picked.flatMap((id): readonly RecipientAt[] => {
    const member = state.members.get(id);
    if (member === undefined) return [];
    const { intervals, role, deliveredSeq, readSeq } = member;
    const known = state.devicesOf(id).slice(-DEVICES_TOLD_MAX);
    return [{ user: id, role: isOpen(intervals) ? role : null, deliveredSeq, readSeq, devices: known }];
  });
  const mode = isDiffused(state.segments.value, seq) ? 'write' : 'read';
  return ok({ kind: meta.kind, mode, recipients, delivered, read, authorDevice: authorDevice ?? null, members });
}

export function standings(state: ConversationState, { users }: ConversationCalls['standings']['command']): Standings {
  const head = state.head.value;
  const segments = state.segments.value;
  const members: Standings['members'][number][] = [];
  for (const user of users) {
    const member = state.members.get(user);
    if (member === undefined) continue;
    const { intervals, readSeq, readMsgNo, sentAtRead } = member;
    const last = lastReceived(intervals, segments, head.seq);
    const isIn = isOpen(intervals);
    const behind = isIn ? modeBehind(segments, last) : 'write';
    const sent = state.sent(user).count;
    const known = { last, sent, member: isIn, behind, stays: intervals.length, readSeq, readMsgNo, sentAtRead };
    members.push([user, { ...known, mentions: mentionsOf(state, user, member), gone: goneFor(state, user, member) }]);
  }
  const facts = state.meta.value === null ? null : factsOf(state);
  return { head, retiredMsgNo: state.retiredMsgNo.value, lastAt: state.lastAt.value, facts, members };
}

export function audience(state: ConversationState, { range }: ConversationCalls['audience']['command']): Audience {
  const segments = state.segments.value;
  const members: AudienceMember[] = [];
  for (const [user, member] of state.members.entries()) {
    const { intervals } = member;
    if (range !== null && !receivesAny(intervals, segments, range)) continue;
    const { count, lastSeq } = state.sent(user);
    const concern = { mentions: mentionsOf(state, user, member), gone: goneFor(state, user, member) };
    members.push({ user, intervals, sent: count, lastSentSeq: lastSeq, ...concern });
  }
  return { facts: state.meta.value === null ? null : factsOf(state), head: state.head.value, segments, members };
}

export function watch(
  state: ConversationState,
  { users }: ConversationCalls['watch']['command'],
): Result<WatchState, FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  const { gen, seq } = state.head.value;
  const present = users.flatMap((user): readonly Present[] => {
    const member = state.present(user);
    return member === null ? [] : [[user, member.intervals]];
  });
  const mode = modeBehind(state.segments.value, seq);
  return ok({ mode, gen, seq, msgNo: state.msgNo.value, ...watchMembers(present, state.mentionsOfAll.value) });
}

export function headFor(
  state: ConversationState,
  { user }: ConversationCalls['head']['command'],
): ConversationHead | null {
  const member = state.members.get(user);
  if (state.meta.value === null || member === undefined) return null;
  const { intervals, readSeq, readMsgNo, sentAtRead } = member;
  return {
    head: state.head.value,
    title: state.meta.value.title,
    msgNo: state.msgNo.value,
    lastAt: state.lastAt.value,
    segments: state.segments.value,
    intervals,
    reading: { readSeq, readMsgNo, sentAtRead },
    sent: state.sent(user).count,
    mentions: mentionsOf(state, user, member),
    gone: goneFor(state, user, member),
  };
}
