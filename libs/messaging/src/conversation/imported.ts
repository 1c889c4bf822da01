import { SEGMENTS_MAX } from '@millrace/diffusion';
import {
  hash32,
  isDirectConversationId,
  ok,
  sequenceId,
  type DeviceId,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  deviceTag,
  encodeEntry,
  frameError,
  protocolLimits,
  type EntryFields,
  type FrameError,
} from '@millrace/protocol';
import type { Position, TimelineHead } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { changeOf, pinOf } from '../revise/change-of.ts';
import type { TargetFacts } from '../revise/revision.ts';
import type { ImportedEntry } from '../transfer/entry-line.ts';
import { isRetired, type BanLine, type ConversationLine, type KeyLine, type MemberLine } from '../transfer/lines.ts';
import type { Stamped } from './stamped.ts';
import { metaOf } from './conversation-meta.ts';
import type { ConversationState, Member } from './conversation-state.ts';
import { counterKey } from './counted-devices.ts';
import { refused } from './membership.ts';
import { noteMentions } from './mentions.ts';
import { withPin } from './pins.ts';
import { noteReply } from './replying.ts';
import { cutAt } from './retire.ts';
import { knownOf, layOver } from './revise.ts';
import { counted, noSends } from './send-counter.ts';

/*
 * A conversation out of an export. It comes in parts, each a commit, and is nothing to anybody before the last one: until
 * then it has no `meta`, so every question is answered as if it were not there.
 *
 * (T1) A part is taken as a whole or not at all, and what is there already is passed over: any of them may come again.
 * (T2) What follows from the entries is counted as they come, by the same rules as when they were sent, and what they change
 *      of others is laid over those.
 */

export interface ImportPart {
  /** The same with each part. */
  readonly line: ConversationLine;
  readonly members: readonly MemberLine[];
  readonly bans: readonly BanLine[];
  readonly keys: readonly KeyLine[];
  /** In rising seq, without a hole. */
  readonly entries: readonly ImportedEntry[];
  /** What is stored of the messages that some of the entries change, by the seq of the entry that does. */
  readonly targets: readonly (readonly [SequenceId, TargetFacts])[];
  /** Nothing comes behind it. */
  readonly isLast: boolean;
}

export interface ImportedTo extends Stamped {
  /** The last entry that is there. */
  readonly seq: SequenceId;
  readonly head: TimelineHead;
  readonly isDone: boolean;
}

interface Outcome {
  /** `stale`: some of what is changed was changed since the targets were read, which are to be read again. */
  readonly reply: Result<ImportedTo | 'stale', FrameError>;
  readonly effects: readonly Effect[];
}

/** A part is refused for one of its lines: `seq` for an entry, `user` for a member. */
export interface PartRefused extends FrameError {
  readonly seq?: SequenceId;
  readonly user?: UserId;
}

const doneWith = (what: string): string => hash32(what).toString(16).padStart(8, '0');

export function importPart(state: ConversationState, part: ImportPart, limits: MessagingLimits): Outcome {
  const what = JSON.stringify(part.line);
  const staged = state.staged.value;
  if (staged?.isDone === true && staged.what === doneWith(what))
    return { reply: ok(standsAt(state, true)), effects: [] };
  const problem =
    standingProblem(state, part, what) ?? membersProblem(state, part, limits) ?? entriesProblem(state, part);
  if (problem !== null) return refused(problem);
  if (isStale(state, part)) return { reply: ok('stale'), effects: [] };
  if (staged?.isDone !== false) begin(state, part.line, what);
  const { seq: before } = state.head.value;
  if (before === 0) for (const line of part.members) if (!state.members.has(line.member)) takeMember(state, line);
  for (const { ban, by, at } of part.bans) if (!state.bans.has(ban)) state.setBan(ban, { by, atMs: at });
  for (const { key, from, window, seq } of part.keys) state.keys.set(`${from}/${key}`, { window, seq });
  takeEntries(state, part, limits);
  if (part.isLast) {
    if (isRetired(part.line)) beginBehind(state, part.line);
    const effects = finish(state, part.line, what);
    return { reply: ok(standsAt(state, true)), effects };
  }
  return { reply: ok(standsAt(state, false)), effects: grown(state, before) };
}

const standsAt = (state: ConversationState, isDone: boolean): ImportedTo => {
  const head = state.head.value;
  return { seq: head.seq, head, isDone, at: state.answeredAt };
};

/** It is nothing to anybody yet, but takes up memory. @param before - its head before. */
function grown(state: ConversationState, before: SequenceId): readonly Effect[] {
  const { seq: to } = state.head.value;
  return to === before ? [] : [{ e: 'staged', conversation: state.id, from: sequenceId(before + 1), to }];
}

function standingProblem(state: ConversationState, { line }: ImportPart, what: string): FrameError | null {
  const { id } = state;
  const staged = state.staged.value;
  if (state.meta.value !== null) {
    return frameError('conflict', `there is a conversation ${id} already, which is another one: leave this one out`);
  }
  // Of blocks alone there is nothing that could be mixed.
  if (staged?.isDone === false && staged.what !== what) {
    const message = `an import of ${id} that was begun has another conversation line: go on with that file`;
    return frameError('conflict', message);
  }
  // Its numbers are not given twice (I3).
  if (staged?.isDone !== false && state.head.value.seq > 0)
    return frameError('conflict', `what ${id} was is erased, and its numbers are taken: leave this one out`);
  const kind = line.about?.kind ?? 'direct';
  if ((kind === 'direct') !== isDirectConversationId(id))
    return frameError('bad_request', 'an id with `!` belongs to a direct conversation, and only to one');
  return segmentsProblem(line);
}

/** They tell where entries are in no inbox, and where that is not so is looked for nowhere else. */
function segmentsProblem({ segments, last }: ConversationLine): FrameError | null {
  if (segments.length > SEGMENTS_MAX)
    return frameError('bad_request', `segments: there are more than ${String(SEGMENTS_MAX)}`);
  let before = 0;
  for (const [index, [from, to]] of segments.entries()) {
    const isOpenEnd = to === null && index === segments.length - 1;
    if (from <= before || (to !== null && to < from) || (to === null && !isOpenEnd) || (to ?? from) > last + 1)
      return frameError('bad_request', 'segments: they must follow on each other, and only the last one may be open');
    before = to ?? from;
  }
  return null;
}

function membersProblem(
  state: ConversationState,
  { members, line }: ImportPart,
  limits: MessagingLimits,
): PartRefused | null {
  const fresh = members.filter(({ member }) => !state.members.has(member));
  const of = (user: UserId, message: string): PartRefused => ({ ...frameError('bad_request', message), user });
  const pair = line.about?.kind === 'direct' ? state.id.split('!') : null;
  for (const { member, stays, readSeq, deliveredSeq } of fresh) {
    if (pair?.includes(member) === false)
      return of(member, `${member} is none of the two whose direct conversation this is`);
    if (state.head.value.seq > 0) return of(member, `${member} comes behind entries: members come before them`);
    if (stays.length > limits.intervalsMax)
      return of(member, `${member} has more than ${String(limits.intervalsMax)} stays`);
    if (Math.max(readSeq, deliveredSeq) > line.last)
      return of(member, `the positions of ${member} are behind the last entry`);
    let before = 0;
    for (const [index, [joined, from, to]] of stays.entries()) {
      const isLast = index === stays.length - 1;
      const isSound = joined > before && from <= joined && joined <= line.last && (to === null ? isLast : to >= joined);
      if (!isSound || (to ?? 0) > line.last) return of(member, `the stays of ${member} do not follow on each other`);
      before = to ?? joined;
    }
  }
  const present = fresh.filter(({ stays }) => stays.at(-1)?.[2] === null).length;
  if (state.memberCount + present <= limits.membersMax) return null;
  return frameError(
    'limit_reached',
    `a conversation has at most ${String(limits.membersMax)} members (MILLRACE_MEMBERS_MAX)`,
  );
}

/** Those that are not there yet. */
const freshEntries = (state: ConversationState, entries: readonly ImportedEntry[]): readonly ImportedEntry[] =>
  entries.filter(({ seq }) => seq > state.head.value.seq);

/** Whether what is said of a message that is changed may be out of date. */
function isStale(state: ConversationState, { entries, targets }: ImportPart): boolean {
  const of = new Map(targets);
  return freshEntries(state, entries).some(({ seq, fields }) => {
    const facts = of.get(seq);
    return facts !== undefined && knownOf(state, fields.from, facts) === 'stale';
  });
}

function entriesProblem(state: ConversationState, { entries, line, isLast }: ImportPart): PartRefused | null {
  let head = state.head.value.seq;
  let msgNo: number | null = head === 0 ? null : state.msgNo.value;
  for (const { seq, fields } of freshEntries(state, entries)) {
    const of = (message: string): PartRefused => ({ ...frameError('bad_request', message), seq });
    const expected = head === 0 ? line.first : head + 1;
    if (seq !== expected) return of(`seq ${String(seq)} does not follow: the next one is ${String(expected)}`);
    if (seq > line.last) return of(`seq ${String(seq)} is behind the last one, ${String(line.last)}`);
    const step = fields.countable ? 1 : 0;
    const counts: number = msgNo === null ? Math.max(step, fields.msgNo ?? step) : msgNo + step;
    if (fields.msgNo !== undefined && fields.msgNo !== counts)
      return of(`msgNo ${String(fields.msgNo)} does not fit: it is ${String(counts)} by the entries before`);
    const told = changeOf(fields);
    if (told === 'unreadable') return of(`entry ${String(seq)} does not say what it changes, and how`);
    if (told !== null && told.seq >= seq)
      return of(`entry ${String(seq)} changes entry ${String(told.seq)}, which does not come before it`);
    if (fields.thread !== undefined && fields.thread >= seq)
      return of(`entry ${String(seq)} stands in the thread of ${String(fields.thread)}, which does not come before it`);
    head = seq;
    msgNo = counts;
  }
  if (isLast && head !== line.last && !isRetired(line))
    return frameError(
      'bad_request',
      `the entries end at ${String(head)}, not at ${String(line.last)} as the first line says`,
    );
  return null;
}

function begin(
  state: ConversationState,
  { segments, readReason, keyWindow: [window, used] }: ConversationLine,
  what: string,
): void {
  state.staged.value = { what, isDone: false };
  state.segments.value = segments.map(([from, to]) => ({ from, to }));
  state.readReason.value = readReason;
  state.keyWindow.value = { window, used };
}

/** Of its entries none is kept any more: it goes on behind their numbers (I3), and all of them count as read. */
function beginBehind(state: ConversationState, line: ConversationLine): void {
  const { first, last, retiredMsgNo: msgNo = 0 } = line;
  readBefore(state, first, msgNo);
  state.head.value = { ...state.head.value, seq: last };
  state.msgNo.value = msgNo;
  cutAt(state, first, msgNo, []);
}

function takeMember(state: ConversationState, line: MemberLine): void {
  const { member, role, stays, readSeq, deliveredSeq, mutedUntil, devices } = line;
  state.setMember(member, {
    role,
    intervals: stays.map(([joined, from, to]) => ({ joined, from, to })),
    readSeq,
    readMsgNo: 0,
    sentAtRead: 0,
    deliveredSeq: sequenceId(Math.max(readSeq, deliveredSeq)),
    mutedUntilMs: mutedUntil ?? 0,
    goneBefore: 0,
  });
  // So that entries, which know them by a tag, find them.
  for (const device of devices) state.setCounter(counterKey(member, device as DeviceId), noSends);
}

function takeEntries(state: ConversationState, { entries, targets }: ImportPart, limits: MessagingLimits): void {
  const fresh = freshEntries(state, entries);
  const changed = new Map(targets);
  const [first, last] = [fresh[0], fresh.at(-1)];
  if (first === undefined || last === undefined) return;
  const isFirst = state.head.value.seq === 0;
  const readAt = new Map<SequenceId, [UserId, Member][]>();
  for (const [user, member] of state.members.entries()) {
    const { readSeq } = member;
    if (readSeq < first.seq || readSeq > last.seq) continue;
    const there = readAt.get(readSeq);
    if (there === undefined) readAt.set(readSeq, [[user, member]]);
    else there.push([user, member]);
  }
  const lastLeft = lastLeftBefore(state, last.seq);
  for (const entry of fresh) {
    const before = isFirst && entry === first ? firstMsgNo(entry) : state.msgNo.value;
    if (isFirst && entry === first) readBefore(state, entry.seq, before);
    const facts = changed.get(entry.seq);
    const change = facts === undefined ? null : { facts, lastLeft: lastLeft(entry.seq) };
    takeEntry(state, entry, before, change, limits);
    for (const [user, member] of readAt.get(entry.seq) ?? [])
      state.setMember(user, { ...member, readMsgNo: state.msgNo.value, sentAtRead: state.sent(user).count });
  }
}

/** What counted before the first entry, which is no more. */
const firstMsgNo = ({ fields: { msgNo, countable } }: ImportedEntry): number =>
  Math.max(0, (msgNo ?? 0) - (countable ? 1 : 0));

function readBefore(state: ConversationState, first: SequenceId, msgNo: number): void {
  if (msgNo === 0) return;
  for (const [user, member] of state.members.entries())
    if (member.readSeq < first) state.setMember(user, { ...member, readMsgNo: msgNo });
}

function takeEntry(
  state: ConversationState,
  { seq, fields, stored }: ImportedEntry,
  before: number,
  change: Changed | null,
  limits: MessagingLimits,
): void {
  const msgNo = before + (fields.countable ? 1 : 0);
  const { from, deviceTag, at, n, sentAt, countable, mentions, mentionAll } = fields;
  const brief = { from, deviceTag, at, msgNo, countable };
  const entry = state.appendEncoded(stored ?? encodeEntry({ ...fields, msgNo }), brief, seq);
  if (change !== null) takeChange(state, { ...fields, gen: entry.gen, seq }, change, limits);
  takePin(state, fields);
  if (from === null) return;
  countSent(state, from, { seq, n, sentAt, tag: fields.deviceTag, countable: fields.countable }, limits);
  if (!fields.countable) return;
  const unread = mentions?.filter((user) => seq > (state.members.get(user)?.readSeq ?? seq));
  noteMentions(state, from, entry, {
    ...(unread === undefined ? {} : { mentions: unread }),
    ...(mentionAll === true ? { mentionAll } : {}),
  });
}

/** What an entry changes of another one. */
interface Changed {
  readonly facts: TargetFacts;
  /** The last entry before it by which anybody left. */
  readonly lastLeft: SequenceId;
}

/** Tells of entries up to `upTo`, asked for in rising seq, by which entry before them somebody left last; 0 for none. */
function lastLeftBefore(state: ConversationState, upTo: SequenceId): (seq: SequenceId) => SequenceId {
  const left = [...state.members.values()].flatMap(({ intervals }) => intervals.flatMap(({ to }) => to ?? []));
  const rising = left.filter((to) => to < upTo).sort((one, other) => one - other);
  let at = 0;
  return (seq) => {
    while ((rising[at] ?? seq) < seq) at += 1;
    return rising[at - 1] ?? sequenceId(0);
  };
}

function takeChange(
  state: ConversationState,
  by: Position & Pick<EntryFields, 'from' | 'at' | 'type' | 'body' | 'replyTo' | 'thread'>,
  { facts, lastLeft }: Changed,
  limits: MessagingLimits,
): void {
  const told = changeOf(by);
  const known = knownOf(state, by.from, facts);
  if (told === 'unreadable' || known === 'stale') return;
  if (told === null) {
    const { replyTo, thread } = by;
    if (replyTo !== undefined && thread !== undefined)
      noteReply(state, { fields: { replyTo, thread }, before: known.before }, by);
    return;
  }
  // As when it was made: nobody changes the server's word, nor what was taken back.
  if (facts.isControl || (known.before !== null && known.before.recalled !== null)) return;
  layOver(state, { ...by, lastLeft }, told.change, facts, known, limits);
}

/** What the entry pins, or does not any more. */
function takePin(
  state: ConversationState,
  { type, body, from, at }: Pick<EntryFields, 'type' | 'body' | 'from' | 'at'>,
): void {
  const pin = type === 'control' ? pinOf(body) : null;
  if (pin === null) return;
  const pinned = withPin(state.pinned.value, pin.isOn, { seq: pin.seq, by: from, at });
  state.pinned.value = pinned.slice(-protocolLimits.pinsPerConversation);
}

interface Sent {
  readonly seq: SequenceId;
  readonly n: number;
  readonly sentAt: number;
  readonly tag: number;
  readonly countable: boolean;
}

/** As when it was sent. What no device is known for counts as the user's own, and is found again by no number. */
function countSent(
  state: ConversationState,
  from: UserId,
  { seq, n, sentAt, tag, countable }: Sent,
  { sendWindow }: MessagingLimits,
): void {
  const device = n === 0 ? undefined : state.devicesOf(from).find((each) => deviceTag(from, each) === tag);
  const known = device === undefined ? undefined : state.counters.get(counterKey(from, device));
  if (device !== undefined && known !== undefined && n > known.last) {
    const counter = counted(known, n, seq, sentAt, sendWindow);
    // Only messages count as sent.
    state.setCounter(counterKey(from, device), countable ? counter : { ...counter, skipped: counter.skipped + 1 });
  } else if (countable) {
    const key = counterKey(from, '*api');
    const counter = state.counters.get(key) ?? noSends;
    state.setCounter(key, counted(counter, counter.last + 1, seq, counter.sentAt, 1));
  }
}

function finish(state: ConversationState, { about }: ConversationLine, what: string): readonly Effect[] {
  state.staged.value = { what: doneWith(what), isDone: true };
  if (about === null) return [];
  state.meta.value = metaOf(about);
  const { gen, seq, first } = state.head.value;
  state.lastControl = seq;
  return [{ e: 'imported', conversation: state.id, gen, from: first, to: seq }];
}
