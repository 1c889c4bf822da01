import type { DiffusionMode } from '@millrace/diffusion';
import { sequenceId, unreachable, type ConversationId, type Generation, type SequenceId } from '@millrace/kernel';
import { goneBehind, mentionsBehind, type Gone } from '@millrace/protocol';
import { comparePositions, cursorStatus, type Position, type TimelineHead } from '@millrace/timeline';
import type { ConversationFacts } from '../effects.ts';
import type { Reading } from './commands.ts';
import { isUncounted, noConcern, type Concern, type Progress, type UserState } from './user-state.ts';

/** How far a user is in a conversation, by the conversation. */
export interface Stand extends Reading {
  readonly facts: ConversationFacts;
  /** The last entry that the user received. */
  readonly position: Position;
  /** Of that entry. */
  readonly msgNo: number;
  readonly lastAt: number;
  /** The user's own countable messages up to there. */
  readonly sent: number;
  readonly member: boolean;
  /** How what comes behind that entry is diffused to them. */
  readonly behind: DiffusionMode;
  /** How often they came: each time but the last they have left. */
  readonly stays: number;
  /** Their unread mentions. A node that runs an earlier version leaves it out. */
  readonly mentions?: readonly SequenceId[];
  /** What of what they have not read is gone. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
}

/** What a conversation answers that is asked whether it still knows what a user's inbox holds of it. */
export interface Standing {
  readonly d: 'standing';
  readonly conversation: ConversationId;
  /** Where the conversation stood when it answered; its generation is that of its partition. */
  readonly head: TimelineHead;
  /** Null when there is no such conversation, or the user never was in it. */
  readonly stand: Stand | null;
  /** The user's read position before the conversation was asked; null when it was asked without knowing it. */
  readonly askedReadSeq: SequenceId | null;
  /** What was known to be gone before that; absent when it was asked without knowing it, or by a node of an earlier version. */
  readonly askedGone?: readonly SequenceId[];
}

/**
 * - `ignore`: the inbox is ahead of the answer, or there is nothing to be said.
 * - `confirm`: what the inbox holds is there. `breaks`: its devices may still show what is not.
 * - `adopt`: it is not what the conversation holds, which is taken instead.
 * - `forget`: the conversation was lost, or that the user ever was in it.
 */
export type StandingVerdict =
  | { readonly kind: 'ignore' | 'adopt' | 'forget' }
  | { readonly kind: 'confirm'; readonly breaks: boolean; readonly reading: Reading | null };

const verdict = (kind: 'ignore' | 'adopt' | 'forget'): StandingVerdict => ({ kind });

/**
 * Holds what a user's inbox says of a conversation against what the conversation says.
 *
 * @param concern - what the inbox says of what is unread: what mentions the user, and what is gone.
 * @param ownGen - the generation of the user's own partition: behind one in which a progress was not confirmed yet, a
 *   delivery that is missing may have been lost here, and will not come again.
 */
export function judgeStanding(
  before: Progress | undefined,
  { head, stand, askedReadSeq, askedGone }: Standing,
  ownGen: Generation,
  concern: Pick<Concern, 'mentions' | 'gone'> = noConcern,
): StandingVerdict {
  if (before === undefined) return verdict(stand === null ? 'ignore' : 'adopt');
  // The conversation has gone on since it answered, or somebody answered who does not own it any more.
  if (head.gen < before.confirmedGen || comparePositions(before, head) > 0) return verdict('ignore');
  if (stand === null) return verdict('forget');
  // No entry tells of what a user deletes: by the position alone the answer does not look older than that.
  const isAskedBefore = askedReadSeq === null || askedGone !== undefined;
  if (isAskedBefore && goneSince(before, stand, concern, askedGone ?? [])) return verdict('ignore');
  const order = comparePositions(before, stand.position);
  if (cursorStatus(head, before).kind === 'regressed' || order > 0) return verdict('adopt');
  const isOwnLoss = before.confirmedIn < ownGen;
  // All that is known began with their return.
  if (before.confirmedIn === 0 && stand.stays > 1) return verdict('adopt');
  if (order < 0 && isOwnLoss) return verdict('adopt');
  if (order === 0 && !(isSame(before, stand) && concernsTheSame(before, stand, concern))) return verdict('adopt');
  const isRead = stand.readSeq > before.readSeq;
  // It may be on its way, but for what was lost here.
  if (isRead && isOwnLoss && order === 0) return { kind: 'confirm', breaks: true, reading: readingOf(stand) };
  if (stand.readSeq < before.readSeq) {
    // Moved since, or lost: only who knew it before the question can tell.
    if (askedReadSeq !== before.readSeq) return verdict('ignore');
    return { kind: 'confirm', breaks: true, reading: readingOf(stand) };
  }
  // What a device read from the conversation itself the inbox need not have held, and the conversation may have lost it.
  return { kind: 'confirm', breaks: before.confirmedGen < head.gen, reading: null };
}

const isSame = (before: Progress, { member, behind, msgNo, sent }: Stand): boolean => {
  if (before.member !== member || before.behind !== behind || before.msgNo !== msgNo) return false;
  // While it is pulled, nobody counts here.
  return behind === 'read' || isUncounted(before) || before.sent === sent;
};

/** Of what neither says is read. While it is pulled, the conversation alone tells what concerns the user. */
function concernsTheSame(
  before: Progress,
  stand: Stand,
  { mentions, gone }: Pick<Concern, 'mentions' | 'gone'>,
): boolean {
  if (stand.behind === 'read') return true;
  const readSeq = sequenceId(Math.max(before.readSeq, stand.readSeq));
  const behind = (seqs: readonly SequenceId[]): readonly SequenceId[] => mentionsBehind(seqs, readSeq);
  if (stand.mentions !== undefined && !isEqual(behind(stand.mentions), behind(mentions))) return false;
  if (stand.gone === undefined) return true;
  const [told, known] = [goneBehind(stand.gone, readSeq), goneBehind(gone, readSeq)];
  // Which of them are listed and which are a number, each decides for itself.
  return told.before + known.before > 0 || isEqual(told.seqs, known.seqs);
}

/** Whether something has gone since the question, of which the answer may not know: it is asked again. */
function goneSince(
  before: Progress,
  stand: Stand,
  { gone }: Pick<Concern, 'gone'>,
  asked: readonly SequenceId[],
): boolean {
  if (stand.gone === undefined) return false;
  const { before: unlisted, seqs } = stand.gone;
  // Those below the first that is listed are a number there.
  const listedFrom = unlisted > 0 ? (seqs[0] ?? Infinity) : 0;
  const known = goneBehind(gone, sequenceId(Math.max(before.readSeq, stand.readSeq))).seqs;
  return known.some((seq) => seq >= listedFrom && !seqs.includes(seq) && !asked.includes(seq));
}

const isEqual = (one: readonly SequenceId[], other: readonly SequenceId[]): boolean =>
  one.length === other.length && one.every((seq, index) => seq === other[index]);

const readingOf = ({ readSeq, readMsgNo, sentAtRead }: Reading): Reading => ({ readSeq, readMsgNo, sentAtRead });

/** Makes the user's progress what the conversation says, where it is not. The inbox breaks where a device must know. */
export function takeStanding(state: UserState, standing: Standing, nowMs: number): null {
  const { conversation, head, stand } = standing;
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  const confirmed = { confirmedGen: head.gen, confirmedIn: state.head.value.gen };
  const concern = slot === undefined ? noConcern : state.concern(slot);
  const judged = judgeStanding(before, standing, state.head.value.gen, concern);
  switch (judged.kind) {
    case 'ignore':
      return null;
    case 'forget':
      state.unlist(conversation);
      state.breakInbox(nowMs);
      return null;
    case 'confirm':
      if (before === undefined || slot === undefined) return null;
      state.progress.set(slot, { ...before, ...judged.reading, ...confirmed });
      // Behind a generation what the inbox knows to be gone or to concern the user may have been told by what is lost.
      if (judged.reading !== null || judged.breaks) setConcern(state, slot, stand);
      if (judged.breaks) state.breakInbox(nowMs);
      return null;
    case 'adopt':
      if (stand !== null) adopt(state, conversation, before, standing, stand);
      state.breakInbox(nowMs);
      return null;
    default:
      return unreachable(judged);
  }
}

/** What the conversation says concerns the user, behind what is read by now, and as far as the inbox has come. */
function setConcern(state: UserState, slot: number, stand: Stand | null): void {
  const { readSeq, seq } = state.progress.get(slot) ?? { readSeq: sequenceId(0), seq: sequenceId(0) };
  const concern = state.concern(slot);
  const told = { mentions: stand?.mentions ?? concern.mentions, gone: stand?.gone ?? concern.gone };
  const isHere = (each: SequenceId): boolean => each <= seq;
  const mentions = mentionsBehind(told.mentions, readSeq).filter(isHere);
  const { before, seqs } = goneBehind(told.gone, readSeq);
  state.setConcern(slot, { ...concern, mentions, gone: { before, seqs: seqs.filter(isHere) } });
}

function adopt(
  state: UserState,
  conversation: ConversationId,
  before: Progress | undefined,
  { head, askedReadSeq }: Standing,
  stand: Stand,
): void {
  const { facts, position, msgNo, lastAt, sent, member, behind, ...reading } = stand;
  const { slot } = state.list(conversation, facts.kind, facts.title);
  // A read position may have moved since the conversation answered: then this one stays in doubt, and is asked about.
  const isMoved = before !== undefined && before.readSeq > reading.readSeq && before.readSeq !== askedReadSeq;
  const kept = isMoved && before.readSeq <= position.seq ? before : null;
  state.progress.set(slot, {
    gen: position.gen,
    seq: position.seq,
    msgNo,
    sent,
    sentFrom: sequenceId(0),
    ...readingOf(kept ?? reading),
    lastAt,
    member,
    behind,
    confirmedGen: kept?.confirmedGen ?? head.gen,
    confirmedIn: kept?.confirmedIn ?? state.head.value.gen,
  });
  setConcern(state, slot, stand);
}
