import { lastVisible, type MembershipInterval } from '@millrace/diffusion';
import { err, ok, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, noGone, protocolLimits, withGone, type FrameError, type Gone } from '@millrace/protocol';
import type { ConversationState, Member } from './conversation-state.ts';
import type { Recalled, RecalledList } from './recalled.ts';

/*
 * What does not count as unread though it stands behind a read position. The conversation keeps the latest messages that
 * were recalled, once for everybody, and for each member those that they have deleted and not read. What is recalled
 * further back is a number with each member who has not read it.
 */

type Reader = Pick<Member, 'readSeq' | 'goneBefore'> & { readonly intervals: readonly MembershipInterval[] };

/** Whether the member had not read it and was told that it was recalled: who had left by then was not (I7). */
const isGone = ({ seq, from, rev }: Recalled, user: UserId, readSeq: SequenceId, last: SequenceId): boolean =>
  seq > readSeq && from !== user && rev <= last;

/**
 * @param head - of the conversation.
 * @param deleted - what the user has deleted and not read, and counted.
 */
export function goneAt(
  user: UserId,
  { intervals, readSeq, goneBefore }: Reader,
  head: SequenceId,
  recalled: RecalledList,
  deleted: readonly SequenceId[],
): Gone {
  if (recalled.of.length === 0 && deleted.length === 0 && goneBefore === 0) return noGone;
  const last = lastVisible(intervals, head);
  const taken = recalled.of.filter((each) => isGone(each, user, readSeq, last)).map(({ seq }) => seq);
  return withGone(
    { before: goneBefore, seqs: taken },
    deleted.filter((seq) => seq > readSeq),
  );
}

/** The same, of one who is or was a member. */
export const goneFor = (state: ConversationState, user: UserId, member: Member): Gone =>
  goneAt(user, member, state.head.value.seq, state.recalled.value, state.deleted.get(user) ?? []);

/**
 * A message was taken back: it counts as unread for nobody any more.
 *
 * @param listedMax - how many are listed: once there are more, half of them are counted into the members.
 */
export function noteRecalled(state: ConversationState, recalled: Recalled, listedMax: number): void {
  const { from, of } = state.recalled.value;
  if (recalled.seq < from) {
    countIn(state, [recalled]);
    return;
  }
  const at = of.findIndex(({ seq }) => seq > recalled.seq);
  const all = at < 0 ? [...of, recalled] : [...of.slice(0, at), recalled, ...of.slice(at)];
  if (all.length <= listedMax) {
    state.recalled.value = { from, of: all };
    return;
  }
  const unlisted = all.slice(0, Math.ceil(listedMax / 2));
  const listed = all.slice(unlisted.length);
  countIn(state, unlisted);
  state.recalled.value = { from: listed[0]?.seq ?? from, of: listed };
}

/** Goes through all members: once for many recalled messages, or for one that lies far back. */
function countIn(state: ConversationState, recalled: readonly Recalled[]): void {
  const head = state.head.value.seq;
  for (const [user, member] of [...state.members.entries()]) {
    const { readSeq, intervals, goneBefore } = member;
    const last = lastVisible(intervals, head);
    const deleted = state.deleted.get(user) ?? [];
    const more = recalled.filter((each) => isGone(each, user, readSeq, last) && !deleted.includes(each.seq)).length;
    if (more > 0) state.setMember(user, { ...member, goneBefore: goneBefore + more });
  }
}

/** The user has deleted a message that counted. */
export function noteDeleted(state: ConversationState, user: UserId, seq: SequenceId): Result<null, FrameError> {
  const known = state.deleted.get(user) ?? [];
  if (known.includes(seq)) return ok(null);
  if (known.length >= protocolLimits.gonePerSummary) {
    const message = `${String(known.length)} messages were deleted here that were not read: read up to one of them first`;
    return err(frameError('limit_reached', message));
  }
  state.deleted.set(
    user,
    [...known, seq].sort((one, other) => one - other),
  );
  return ok(null);
}

/** The member has read up to there. */
export function forgetDeleted(state: ConversationState, user: UserId, readSeq: SequenceId): void {
  const before = state.deleted.get(user);
  if (before === undefined) return;
  const left = before.filter((seq) => seq > readSeq);
  if (left.length === 0) state.deleted.delete(user);
  else if (left.length !== before.length) state.deleted.set(user, left);
}

/** What somebody who counts below the list has gone by: with other numbers they count again. */
export interface GoneAsked {
  readonly goneBefore: number;
  readonly recalledFrom: SequenceId;
}

/** What of the member's number is left at the new read position; null when who counted it went by something else. */
export function goneBeforeAt(
  state: ConversationState,
  { goneBefore }: Member,
  readSeq: SequenceId,
  counted: ({ readonly count: number } & GoneAsked) | null,
): number | null {
  const { from } = state.recalled.value;
  if (goneBefore === 0 || readSeq + 1 >= from) return 0;
  if (counted === null || counted.goneBefore !== goneBefore || counted.recalledFrom !== from) return null;
  return counted.count;
}
