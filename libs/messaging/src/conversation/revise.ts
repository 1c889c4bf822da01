import { lastVisible, sees } from '@millrace/diffusion';
import { err, ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import {
  frameError,
  protocolLimits,
  toBase64,
  type AckedLevel,
  type Changed,
  type ControlBody,
  type FrameError,
  type WireEntry,
} from '@millrace/protocol';
import { generationOf, type Position } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { overtaken, withEdit, withReacted, withRecall } from '../revise/fold.ts';
import type { Revision, TargetFacts } from '../revise/revision.ts';
import { appendedEffect, noteLoad, switchEffect } from './appended.ts';
import type { Change, ConversationCalls } from './commands.ts';
import type { ConversationMeta, ConversationState, Member } from './conversation-state.ts';
import { erasedRefusal } from './erased-refusal.ts';
import { goneFor, noteDeleted, noteRecalled } from './gone.ts';
import { orderRefusal } from './moderation.ts';
import { duplicateAck, judged, numberRefusal, type AckContent } from './numbering.ts';
import { keyRefusal, rememberKey } from './keyed.ts';
import { withPin } from './pins.ts';
import { notFound } from './queries.ts';
import { counted, noSends } from './send-counter.ts';

/*
 * Changes of messages that are there. Each is a control entry of its own; the message's entry stays as it is, and a
 * revision beside it says what became of it. Who may change what goes by facts that were looked up in the store, for an
 * actor does no I/O, and by what it knows to have been changed since (see `RecentRevisions`).
 */

type Outcome<T> = { readonly reply: Result<T | 'stale', FrameError>; readonly effects: readonly Effect[] };

const refused = (error: FrameError): Outcome<never> => ({ reply: err(error), effects: [] });
const stale: Outcome<never> = { reply: ok('stale'), effects: [] };

interface Changing {
  readonly meta: ConversationMeta;
  readonly user: UserId;
  readonly member: Member;
}

/** Who is in, and sees the message. */
function changing(state: ConversationState, user: UserId, facts: TargetFacts): Result<Changing, FrameError> {
  const meta = state.meta.value;
  if (meta === null) return err(notFound(state));
  const member = state.present(user);
  if (member === null) return err(frameError('not_member', `${user} is not a member of ${state.id}`));
  if (sees(member.intervals, facts.seq)) return ok({ meta, user, member });
  return err(frameError('not_found', `there is no message ${String(facts.seq)} in ${state.id} that you may see`));
}

/** Why nobody changes it, null when somebody may. */
function targetRefusal(
  state: ConversationState,
  { seq, from, isControl }: TargetFacts,
  revision: Revision | null,
): FrameError | null {
  if (isControl) return frameError('forbidden', `entry ${String(seq)} is no message: nobody changes it`);
  const erased = erasedRefusal(state, { seq, from });
  if (erased !== null) return erased;
  if (revision === null || revision.recalled === null) return null;
  return frameError('conflict', `message ${String(seq)} was recalled, and cannot be changed any more`);
}

/** What has become of a message, and how this user has reacted to it. */
export interface Known {
  readonly before: Revision | null;
  readonly emojis: readonly string[];
}

/** By the facts, and what came since; `stale` when they are too old. @param user - null for the deployment's backend. */
export function knownOf(state: ConversationState, user: UserId | null, facts: TargetFacts): Known | 'stale' {
  const before = state.revisions.of(facts, state.gen);
  const emojis = user === null ? [] : state.revisions.emojisOf(facts, user, state.gen);
  return before === 'stale' || emojis === 'stale' ? 'stale' : { before, emojis };
}

/** Why this user may not change it like that, null when they may. */
function changeRefusal(
  state: ConversationState,
  { meta, user, member }: Changing,
  change: Change,
  facts: TargetFacts,
  { before, emojis }: Known,
  nowMs: number,
  limits: MessagingLimits,
): FrameError | null {
  if (change.op === 'edit') {
    if (facts.from !== user) return frameError('forbidden', 'only its author edits a message');
    return orderRefusal(state, meta, user, member, nowMs);
  }
  if (change.op === 'react') {
    return orderRefusal(state, meta, user, member, nowMs) ?? reactionRefusal(change, emojis, before);
  }
  if (meta.kind !== 'direct' && member.role !== 'member') return null;
  if (facts.from !== user) {
    return frameError('forbidden', 'only its author, the owner and admins recall a message');
  }
  if (nowMs - facts.at <= limits.recallWindowMs) return null;
  const seconds = String(Math.floor(limits.recallWindowMs / 1_000));
  return frameError('forbidden', `a message is recalled within ${seconds} seconds by its author, later by an admin`);
}

type Reacting = Extract<Change, { readonly op: 'react' }>;

function reactionRefusal(
  { emoji, isOn }: Reacting,
  emojis: readonly string[],
  before: Revision | null,
): FrameError | null {
  if (emojis.includes(emoji) === isOn) {
    const message = isOn ? `you have reacted with ${emoji} already` : `there is no reaction ${emoji} of yours`;
    return frameError('conflict', message);
  }
  const reactions = before?.reactions ?? [];
  const isNew = isOn && !reactions.some((each) => each.emoji === emoji);
  if (!isNew || reactions.length < protocolLimits.reactionsPerMessage) return null;
  const most = String(protocolLimits.reactionsPerMessage);
  return frameError('limit_reached', `a message has at most ${most} kinds of reactions: use one that is there`);
}

function controlOf(change: Change, { seq, from }: TargetFacts, before: Revision | null): ControlBody {
  if (change.op === 'recall') {
    const why = change.reason === undefined ? {} : { reason: change.reason };
    return { control: 'recalled', seq, author: from ?? ('' as UserId), ...why };
  }
  if (change.op === 'react') return { control: 'reacted', seq, emoji: change.emoji, on: change.isOn };
  const { body } = change;
  const previous = before?.edited?.seq;
  const chain = previous === undefined ? {} : { previous };
  return {
    control: 'edited',
    seq,
    ...(typeof body === 'string' ? { body } : { bodyBase64: toBase64(body) }),
    ...chain,
  };
}

/** Appends the entry, and lays the change over the message. */
function changed(
  state: ConversationState,
  by: { readonly from: UserId | null; readonly deviceTag: number; readonly n: number; readonly sentAt: number },
  change: Change,
  facts: TargetFacts,
  known: Known,
  nowMs: number,
  limits: MessagingLimits,
): WireEntry {
  const body = JSON.stringify(controlOf(change, facts, known.before));
  const entry = state.append({ ...by, at: nowMs, type: 'control', body }, false);
  const { gen, seq } = entry;
  const lastLeft = state.lastLeft.value;
  layOver(state, { gen, seq, from: by.from, at: nowMs, lastLeft }, change, facts, known, limits);
  return entry;
}

/** The entry that changes a message. */
interface Changer extends Position {
  /** Null for the deployment's backend. */
  readonly from: UserId | null;
  readonly at: number;
  /** The last entry before by which anybody left. */
  readonly lastLeft: SequenceId;
}

/** Lays a change over its message: when it is sequenced, and when it comes out of an export. */
export function layOver(
  state: ConversationState,
  { gen, seq: rev, from, at, lastLeft }: Changer,
  change: Change,
  facts: Pick<TargetFacts, 'seq' | 'from' | 'countable'>,
  { before, emojis }: Known,
  limits: MessagingLimits,
): void {
  if (change.op === 'react') react(state, from, change, facts.seq, before, emojis, rev);
  else {
    const revision =
      change.op === 'edit'
        ? withEdit(before, { gen, seq: rev, at }, lastLeft)
        : withRecall(before, { by: from, at, seq: rev });
    state.revise(facts.seq, revision);
    if (change.op === 'recall' && state.pinned.value.some(({ seq }) => seq === facts.seq)) {
      state.pinned.value = withPin(state.pinned.value, false, { seq: facts.seq, by: from, at });
    }
    // What it said until now is not shown any more, there neither.
    const superseded = before?.edited?.seq;
    if (superseded !== undefined) state.revise(superseded, overtaken(rev));
  }
  if (change.op === 'recall' && facts.countable && facts.from !== null)
    noteRecalled(state, { seq: facts.seq, from: facts.from, rev }, limits.recalledListed);
}

function react(
  state: ConversationState,
  user: UserId | null,
  { emoji, isOn }: Reacting,
  seq: SequenceId,
  before: Revision | null,
  emojisBefore: readonly string[],
  rev: SequenceId,
): void {
  if (user === null) return;
  const emojis = isOn ? [...emojisBefore, emoji] : emojisBefore.filter((each) => each !== emoji);
  state.revise(seq, withReacted(before, rev, user, emoji, isOn));
  state.revisions.setEmojis(seq, user, emojis);
}

function told(state: ConversationState, entry: WireEntry, nowMs: number, limits: MessagingLimits): readonly Effect[] {
  noteLoad(state, nowMs, limits);
  return [appendedEffect(state, entry, () => state.recipients), ...switchEffect(state, nowMs, limits)];
}

/** A device's change: deduplicated like a message (I4), authorised, sequenced. */
export function revise(
  state: ConversationState,
  { by, numbered, change, facts }: ConversationCalls['revise']['command'],
  nowMs: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome<AckContent> {
  const { key, tag } = state.deviceOf(by.user, by.device);
  const counter = state.counters.get(key) ?? noSends;
  const verdict = judged(counter, numbered);
  const { n, sentAt } = numbered;
  if (verdict.kind === 'duplicate') return { reply: ok(duplicateAck(state, n, verdict.seq, level)), effects: [] };
  const who = changing(state, by.user, facts);
  if (!who.ok) return refused(who.error);
  const outOfTurn = numberRefusal(counter, numbered, verdict, limits.sendWindow);
  if (outOfTurn !== null) return refused(outOfTurn);
  const now = knownOf(state, by.user, facts);
  if (now === 'stale') return stale;
  const refusal =
    targetRefusal(state, facts, now.before) ?? changeRefusal(state, who.value, change, facts, now, nowMs, limits);
  if (refusal !== null) return refused(refusal);
  const from = { from: by.user, deviceTag: tag, n, sentAt };
  const entry = changed(state, from, change, facts, now, nowMs, limits);
  const next = counted(counter, n, entry.seq, sentAt, limits.sendWindow);
  // It took a number, and is no message.
  state.setCounter(key, { ...next, skipped: next.skipped + 1 });
  return accepted(state, entry, n, nowMs, level, limits);
}

/** A backend's change in the name of a user, with a client message id of free form (I4). */
export function reviseKeyed(
  state: ConversationState,
  { from, key, window, change, facts }: ConversationCalls['reviseKeyed']['command'],
  nowMs: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome<AckContent> {
  const keyOfUser = `${from}/${key}`;
  const known = state.keys.get(keyOfUser);
  if (known !== undefined) return { reply: ok(duplicateAck(state, 0, known.seq, level)), effects: [] };
  const who = changing(state, from, facts);
  if (!who.ok) return refused(who.error);
  const outOfWindow = keyRefusal(state, window);
  if (outOfWindow !== null) return refused(outOfWindow);
  const now = knownOf(state, from, facts);
  if (now === 'stale') return stale;
  const refusal =
    targetRefusal(state, facts, now.before) ?? changeRefusal(state, who.value, change, facts, now, nowMs, limits);
  if (refusal !== null) return refused(refusal);
  const by = { from, deviceTag: 0, n: 0, sentAt: nowMs };
  const entry = changed(state, by, change, facts, now, nowMs, limits);
  rememberKey(state, keyOfUser, entry.seq, limits);
  return accepted(state, entry, 0, nowMs, level, limits);
}

/** A backend takes a message back: any, at any time. Once more, it tells where that stands. */
export function recallFor(
  state: ConversationState,
  { facts, reason }: ConversationCalls['recallFor']['command'],
  nowMs: number,
  limits: MessagingLimits,
): Outcome<Omit<Changed, 't' | 'id'>> {
  if (state.meta.value === null) return refused(notFound(state));
  const before = state.revisions.of(facts, state.gen);
  if (before === 'stale') return stale;
  if (before !== null && before.recalled !== null) {
    const { seq } = before.recalled;
    const gen = generationOf(state.head.value, seq) ?? state.gen;
    return { reply: ok({ conversation: state.id, gen, seq }), effects: [] };
  }
  const refusal = targetRefusal(state, facts, before);
  if (refusal !== null) return refused(refusal);
  const by = { from: null, deviceTag: 0, n: 0, sentAt: 0 };
  const entry = changed(
    state,
    by,
    { op: 'recall', ...(reason === undefined ? {} : { reason }) },
    facts,
    { before, emojis: [] },
    nowMs,
    limits,
  );
  const effects = told(state, entry, nowMs, limits);
  return { reply: ok({ conversation: state.id, gen: entry.gen, seq: entry.seq }), effects };
}

/** Hides a message from one user. No entry tells of it: it concerns nobody else. */
export function deleteFor(
  state: ConversationState,
  { user, facts }: ConversationCalls['deleteFor']['command'],
): Outcome<null> {
  const member = state.members.get(user);
  if (state.meta.value === null) return refused(notFound(state));
  if (member === undefined) return refused(frameError('not_member', `${user} is not a member of ${state.id}`));
  if (!sees(member.intervals, facts.seq))
    return refused(frameError('not_found', `there is no message ${String(facts.seq)} in ${state.id} that you may see`));
  if (facts.isDeleted) return { reply: ok(null), effects: [] };
  if (facts.isControl) return refused(frameError('forbidden', `entry ${String(facts.seq)} is no message: it stays`));
  const revision = state.revisions.of(facts, state.gen);
  if (revision === 'stale') return stale;
  const isUnread = facts.countable && facts.from !== user && facts.seq > member.readSeq;
  // For who had left before it was recalled it still counted.
  const last = lastVisible(member.intervals, state.head.value.seq);
  const isCounted = isUnread && (revision === null || revision.recalled === null || revision.recalled.seq > last);
  if (isCounted) {
    const noted = noteDeleted(state, user, facts.seq);
    if (!noted.ok) return refused(noted.error);
  }
  state.deleteFor(user, facts.seq);
  const { seq } = facts;
  // A device that has not heard of a recall learns here that the message does not count. What it may not list any more
  // would count twice.
  const counted = isCounted || (isUnread && goneFor(state, user, member).seqs.includes(seq));
  const effect: Effect = { e: 'deleted', conversation: state.id, user, gen: state.gen, seq, counted };
  return { reply: ok(null), effects: [effect] };
}

function accepted(
  state: ConversationState,
  entry: WireEntry,
  n: number,
  at: number,
  level: AckedLevel,
  limits: MessagingLimits,
): Outcome<AckContent> {
  const { gen, seq } = entry;
  // Before the entry that may follow it: this is the answer to this one.
  const msgNo = state.msgNo.value;
  const effects = told(state, entry, at, limits);
  const ack = { conversation: state.id, n, gen, seq: sequenceId(seq), msgNo, at, level, duplicate: false };
  return { reply: ok(ack), effects };
}
