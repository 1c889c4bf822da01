import { err, ok, sequenceId, type Result } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { withReacted } from '../revise/fold.ts';
import { appendedEffect } from './appended.ts';
import type { ConversationCalls, ErasedHere } from './commands.ts';
import type { ConversationState } from './conversation-state.ts';
import { dismiss } from './membership.ts';
import { unpinAllOf } from './pins.ts';
import { notFound } from './queries.ts';
import { cutAt } from './retire.ts';

/*
 * What is erased for good. An entry stays as it is stored until the archive has it and writes it over; from this commit on
 * every read lays over it that it was erased (see `revise/current.ts`).
 */

const NOTHING: readonly Effect[] = [];

const missing = (state: ConversationState): FrameError =>
  state.staged.value?.isDone === false
    ? frameError('conflict', `${state.id} is not imported wholly yet: finish that, or erase all of it, and ask again`)
    : notFound(state);

/** Once more, it tells where that stands, unless the user has come back since. */
export function eraseUser(
  state: ConversationState,
  { user, pinned }: ConversationCalls['eraseUser']['command'],
  nowMs: number,
  limits: MessagingLimits,
): { readonly reply: Result<ErasedHere | 'stale', FrameError>; readonly effects: readonly Effect[] } {
  const meta = state.meta.value;
  if (meta === null) return { reply: err(missing(state)), effects: NOTHING };
  const isMember = meta.kind === 'direct' && state.present(user) !== null;
  const known = state.erased.value.get(user);
  const isSame = known !== undefined && state.sent(user).lastSeq <= known.upTo;
  if (isSame && (isMember || state.members.get(user) === undefined)) {
    return { reply: ok({ ...known, isMember }), effects: NOTHING };
  }
  const authors = new Map(pinned);
  if (state.pinned.value.some(({ seq }) => !authors.has(seq))) return { reply: ok('stale'), effects: NOTHING };
  const unpinned = unpinAllOf(state, user, authors, nowMs);
  const left =
    isMember || state.present(user) === null ? NOTHING : dismiss(state, null, 'kicked', [user], nowMs, limits).effects;
  const upTo = state.head.value.seq;
  const entry = state.appendControl(null, { control: 'erased', author: user, upTo }, nowMs);
  const erased = { upTo, rev: entry.seq };
  state.erased.value = new Map([...state.erased.value, [user, erased]]);
  if (!isMember) state.forgetUser(user);
  const told = appendedEffect(state, entry, () => state.recipients);
  return { reply: ok({ ...erased, isMember }), effects: [...unpinned, ...left, told] };
}

/** No entry tells of it: that all of the user's is erased was told before. */
export function unreact(
  state: ConversationState,
  { user, facts }: ConversationCalls['unreact']['command'],
): Result<null | 'stale', FrameError> {
  if (state.meta.value === null) return err(notFound(state));
  const before = state.revisions.of(facts, state.gen);
  const emojis = state.revisions.emojisOf(facts, user, state.gen);
  if (before === 'stale' || emojis === 'stale') return ok('stale');
  if (before === null || emojis.length === 0) return ok(null);
  // By the entry that tells of the erasure, or the one that changed them since.
  const at = sequenceId(Math.max(before.reacted ?? 0, state.erased.value.get(user)?.rev ?? 0));
  const without = emojis.reduce((revision, emoji) => withReacted(revision, at, user, emoji, false), before);
  if (before.recalled === null) state.revise(facts.seq, { ...without, rev: sequenceId(Math.max(before.rev, at)) });
  state.revisions.setEmojis(facts.seq, user, []);
  return ok(null);
}

/**
 * Its numbering stays (I3): should somebody make one with the same id, that begins behind it. One that is only a part of an
 * import goes in the same way.
 */
export function eraseAll(
  state: ConversationState,
  { fields }: ConversationCalls['eraseAll']['command'],
): Result<null, FrameError> {
  const users = new Set([...state.members.keys(), ...state.senders.keys(), ...state.bans.keys()]);
  for (const user of users) {
    const member = state.members.get(user);
    if (member !== undefined) state.setMember(user, { ...member, intervals: [] });
    state.forgetUser(user);
    state.bans.delete(user);
  }
  state.meta.value = null;
  state.segments.value = [];
  state.mentionsOfAll.value = [];
  state.pinned.value = [];
  if (state.erased.value.size > 0) state.erased.value = new Map();
  if (state.staged.value !== null) state.staged.value = null;
  state.recalled.value = { from: sequenceId(0), of: [] };
  cutAt(state, sequenceId(state.head.value.seq + 1), state.msgNo.value, fields);
  return ok(null);
}
