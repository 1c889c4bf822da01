import { lastVisible } from '@millrace/diffusion';
import { sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import { cutBefore, generationOf, keptFrom, type Position } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import { appendedEffect } from './appended.ts';
import type { ConversationCalls, KeptTiers } from './commands.ts';
import type { ConversationState, Member } from './conversation-state.ts';
import { moveRead } from './receipts.ts';
import { tiers } from './tiers.ts';

/** The first entries of a Timeline, which are older than is kept, as they were read of it. The actor does no I/O. */
export interface Retired {
  /** Where the Timeline began. */
  readonly from: SequenceId;
  /** The last of them. */
  readonly to: Position;
  /** How many messages there were up to that one. */
  readonly msgNo: number;
  /** By author, their messages among them that count, rising. */
  readonly sent: readonly (readonly [UserId, readonly SequenceId[]])[];
  /** Those that were recalled, rising. */
  readonly recalled: readonly SequenceId[];
  /** What is stored beside the conversation of any of them. */
  readonly fields: readonly string[];
}

/** Members whose read position one commit moves. */
const MOVED_MAX = 500;

/**
 * What is older than is kept leaves the Timeline. Who has not read it has nothing to read there any more: their positions
 * move to its end, as if they had, but nobody else is told so. Seqs and `msgNo` of what stays do not change (I3), so that
 * what is unread is exactly what is there and was not read.
 */
export function retire(
  state: ConversationState,
  { retired, isTold }: ConversationCalls['retire']['command'],
  nowMs: number,
): { readonly reply: Result<KeptTiers, FrameError>; readonly effects: readonly Effect[] } {
  const head = state.head.value;
  const { from, to, msgNo, fields } = retired;
  const isSame = keptFrom(head) === from && to.seq >= from && generationOf(head, to.seq) === to.gen;
  if (state.meta.value === null || !isSame) return { reply: tiers(state), effects: [] };
  const effects: Effect[] = [];
  for (const [user, member] of [...state.members.entries()]) {
    const upTo = sequenceId(Math.min(to.seq, lastVisible(member.intervals, head.seq)));
    if (member.readSeq >= upTo) continue;
    // The rest of them come first, each time that it is asked.
    if (effects.length === MOVED_MAX) return { reply: tiers(state), effects };
    effects.push(moveRead(state, user, member, passedOver(state, user, member, upTo, retired)).told);
  }
  cutAt(state, sequenceId(to.seq + 1), msgNo, fields);
  // Of an entry that tells of others nothing is told: it would never end.
  if (isTold === true && retired.sent.length > 0) {
    const entry = state.appendControl(null, { control: 'expired', upTo: to.seq }, nowMs);
    effects.push(appendedEffect(state, entry, () => state.recipients));
  }
  return { reply: tiers(state), effects };
}

/**
 * What stands before `first` is not kept any more.
 *
 * @param fields - what the record beside the conversation's own has of that.
 */
export function cutAt(state: ConversationState, first: SequenceId, msgNo: number, fields: readonly string[]): void {
  state.head.value = cutBefore(state.head.value, first);
  state.retiredMsgNo.value = msgNo;
  if (state.archivedTo.value < first - 1) state.archivedTo.value = sequenceId(first - 1);
  state.revisions.drop(fields);
  const extent = state.revised.value;
  if (extent === null || extent.last < first || extent.first >= first) return;
  state.revised.value = { first, last: extent.last };
}

/** The member's position at `upTo`, one of the retired entries or the last that they may see. */
function passedOver(
  state: ConversationState,
  user: UserId,
  { readSeq, sentAtRead, goneBefore }: Member,
  upTo: SequenceId,
  { sent, msgNo, recalled }: Retired,
): Pick<Member, 'readSeq' | 'readMsgNo' | 'sentAtRead' | 'goneBefore'> {
  const own = sent.find(([author]) => author === user)?.[1] ?? [];
  const between = (seqs: readonly SequenceId[]): readonly SequenceId[] =>
    seqs.filter((seq) => seq > readSeq && seq <= upTo);
  const behind = sent.reduce((sum, [, seqs]) => sum + seqs.filter((seq) => seq > upTo).length, 0);
  const { from: listedFrom } = state.recalled.value;
  const deleted = state.deleted.get(user) ?? [];
  const counted = (seq: SequenceId): boolean => seq < listedFrom && !own.includes(seq) && !deleted.includes(seq);
  const passed = goneBefore === 0 ? 0 : between(recalled).filter(counted).length;
  return {
    readSeq: upTo,
    readMsgNo: msgNo - behind,
    sentAtRead: sentAtRead + between(own).length,
    goneBefore: upTo + 1 >= listedFrom ? 0 : Math.max(0, goneBefore - passed),
  };
}
