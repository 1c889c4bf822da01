import { lastVisible, type MembershipInterval } from '@millrace/diffusion';
import { err, ok, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import {
  frameError,
  mentionsBehind,
  protocolLimits,
  withMentions,
  type FrameError,
  type Mentions,
  type Role,
  type WireEntry,
} from '@millrace/protocol';
import type { WatchState } from './commands.ts';
import type { ConversationMeta, ConversationState, Member, MentionOfAll } from './conversation-state.ts';

/*
 * Whom a message is for above all. The conversation keeps for each member the messages that name them and that they have
 * not read, and once for everybody the latest that mention all: what a member is told of is both together.
 */

const KEPT_MAX = protocolLimits.mentionsPerSummary;

/** Most messages mention nobody. */
export const noMentions: Mentions = {};

/** Whom this message may mention, each once; who writes it need not be told. */
export function mentionable(
  state: ConversationState,
  { kind, mentionAllBy }: ConversationMeta,
  role: Role,
  { mentions, mentionAll }: Mentions,
): Result<Mentions, FrameError> {
  if (mentionAll !== true && (mentions === undefined || mentions.length === 0)) return ok(noMentions);
  const users = [...new Set(mentions)];
  const stranger = users.find((user) => state.present(user) === null);
  if (stranger !== undefined) {
    const message = `${stranger} is not a member of ${state.id} and cannot be mentioned here: send it without`;
    return err(frameError('not_mentionable', message));
  }
  if (mentionAll === true && kind !== 'direct' && mentionAllBy === 'admins' && role === 'member') {
    const message = 'only the owner and admins mention all here: send it without, or name those whom it is for';
    return err(frameError('forbidden', message));
  }
  return ok({ ...(users.length === 0 ? {} : { mentions: users }), ...(mentionAll === true ? { mentionAll } : {}) });
}

/** Remembers whom the message that was just appended mentions. */
export function noteMentions(
  state: ConversationState,
  from: UserId,
  { seq }: WireEntry,
  { mentions = [], mentionAll }: Mentions,
): void {
  for (const user of mentions) {
    if (user !== from) state.mentioned.set(user, withMentions(state.mentioned.get(user) ?? [], [seq]));
  }
  if (mentionAll === true) {
    state.mentionsOfAll.value = [...state.mentionsOfAll.value.slice(1 - KEPT_MAX), { seq, from }];
  }
}

/** The member has read up to there. */
export function forgetMentions(state: ConversationState, user: UserId, readSeq: SequenceId): void {
  const before = state.mentioned.get(user);
  if (before === undefined) return;
  const left = mentionsBehind(before, readSeq);
  if (left.length === 0) state.mentioned.delete(user);
  else if (left !== before) state.mentioned.set(user, left);
}

/**
 * The messages that mention this member, by name or with all, and that they have not read: the latest, rising. Reading
 * begins with a stay, so that what is behind the read position and may be seen they received (I7).
 */
export function unreadMentions(
  user: UserId,
  { intervals, readSeq }: { readonly intervals: readonly MembershipInterval[]; readonly readSeq: SequenceId },
  head: SequenceId,
  named: readonly SequenceId[],
  ofAll: readonly MentionOfAll[],
): readonly SequenceId[] {
  if (named.length === 0 && ofAll.length === 0) return named;
  const last = lastVisible(intervals, head);
  const forAll = ofAll.filter(({ seq, from }) => from !== user && seq > readSeq && seq <= last).map(({ seq }) => seq);
  return withMentions(mentionsBehind(named, readSeq), forAll);
}

/** A member, and their stays: the last one is open. */
export type Present = readonly [user: UserId, intervals: readonly MembershipInterval[]];

/** What a node that watches is told of these members, and of the messages that mention all of them. */
export function watchMembers(
  present: readonly Present[],
  ofAll: readonly MentionOfAll[],
): Pick<WatchState, 'members' | 'mentionsOfAll' | 'late'> {
  const members = present.map(([user]) => user);
  const mentionsOfAll = ofAll.slice(-protocolLimits.mentionsPerHead);
  const first = mentionsOfAll[0]?.seq;
  if (first === undefined) return { members };
  const late = present.flatMap(([user, intervals]): readonly (readonly [UserId, SequenceId])[] => {
    const joined = intervals.at(-1)?.joined;
    return joined === undefined || joined < first ? [] : [[user, joined]];
  });
  return { members, mentionsOfAll, late };
}

/** {@link unreadMentions} of one who is or was a member. */
export const mentionsOf = (state: ConversationState, user: UserId, member: Member): readonly SequenceId[] =>
  unreadMentions(user, member, state.head.value.seq, state.mentioned.get(user) ?? [], state.mentionsOfAll.value);
