import {
  generation,
  invariant,
  fromUtf8,
  sequenceId,
  type ConversationId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { modeNow, type ReadReason, type ReadSegment } from '@millrace/diffusion';
import type { ActorRecord, ActorWrite } from '@millrace/partition';
import type { Role } from '@millrace/protocol';
import { conversationKey, emptyHead, inGeneration } from '@millrace/timeline';
import {
  ConversationState,
  type Ban,
  type ConversationMeta,
  type CounterKey,
  type Member,
  type MentionOfAll,
} from './conversation-state.ts';
import { decodeSendCounter, encodeSendCounter, type SendCounter } from './send-counter.ts';

/*
 * A conversation's record, version 1. One field each:
 *   s            JSON {"v":1, …ConversationMeta}
 *   n            msgNo
 *   w            "<key window> <keys used in it>"
 *   m:<user>     JSON [role, readSeq, readMsgNo, sentAtRead, deliveredSeq, [joined, from, to or 0, joined, from, to or 0, …]],
 *                and mutedUntilMs behind them for one who was ever muted
 *   b:<user>     JSON [by or null, atMs]: a ban
 *   d:<user>/<device>   a send counter, see send-counter.ts
 *   k:<user>/<key>      "<key window> <seq>"
 *   h:<user>     JSON [<seq>, …], the unread messages that name them
 *   t            JSON [[seq, from], …], the latest that mention all
 * and of one that is or was pulled, instead of diffused:
 *   g            JSON [[from, to or 0], …], its read segments
 *   c            why it is pulled: "size" or "load"; absent for "size"
 *   a            when the last entry was sequenced, while it is pulled
 *   v:<user>     JSON [<device>, …], those with a send counter
 */
const VERSION = 1;
type StoredSegment = readonly [number, number];
type StoredMember = readonly [
  ...positions: readonly [Role, number, number, number, number, readonly number[]],
  mutedUntilMs?: number,
];
type StoredBan = readonly [by: UserId | null, atMs: number];

const encodeMember = ({
  role,
  readSeq,
  readMsgNo,
  sentAtRead,
  deliveredSeq,
  intervals,
  mutedUntilMs,
}: Member): string =>
  JSON.stringify([
    role,
    readSeq,
    readMsgNo,
    sentAtRead,
    deliveredSeq,
    intervals.flatMap(({ joined, from, to }) => [joined, from, to ?? 0]),
    ...(mutedUntilMs === 0 ? [] : [mutedUntilMs]),
  ]);

export function decodeMember(text: string): Member {
  const [role, readSeq, readMsgNo, sentAtRead, deliveredSeq, bounds, mutedUntilMs = 0] = JSON.parse(
    text,
  ) as StoredMember;
  const intervals = [];
  for (let index = 0; index + 2 < bounds.length; index += 3) {
    const [joined = 0, from = 0, to = 0] = bounds.slice(index, index + 3);
    intervals.push({ joined: sequenceId(joined), from: sequenceId(from), to: to === 0 ? null : sequenceId(to) });
  }
  return {
    role,
    readMsgNo,
    sentAtRead,
    intervals,
    mutedUntilMs,
    readSeq: sequenceId(readSeq),
    // A record of an earlier version may have less: a join moved the read position alone.
    deliveredSeq: sequenceId(Math.max(deliveredSeq, readSeq)),
  };
}

export function decodeMeta(text: string): ConversationMeta {
  const { v, ...meta } = JSON.parse(text) as ConversationMeta & { readonly v: number };
  invariant(v === VERSION, `conversation record version ${String(v)} is newer than this program`);
  // A record of before there were mutes, slow mode or mentions has none of them.
  return { ...{ muted: false, slowModeMs: 0, mentionAllBy: 'admins' }, ...meta };
}

const encodeSegments = (segments: readonly ReadSegment[]): string =>
  JSON.stringify(segments.map(({ from, to }): StoredSegment => [from, to ?? 0]));

export const decodeSegments = (text: string): readonly ReadSegment[] =>
  (JSON.parse(text) as readonly StoredSegment[]).map(([from, to]) => ({
    from: sequenceId(from),
    to: to === 0 ? null : sequenceId(to),
  }));

type StoredMentionOfAll = readonly [seq: number, from: string];

const encodeMentionsOfAll = (latest: readonly MentionOfAll[]): string =>
  JSON.stringify(latest.map(({ seq, from }): StoredMentionOfAll => [seq, from]));

export const decodeMentionsOfAll = (text: string): readonly MentionOfAll[] =>
  (JSON.parse(text) as readonly StoredMentionOfAll[]).map(([seq, from]) => ({
    seq: sequenceId(seq),
    from: from as UserId,
  }));

export const decodeMentioned = (text: string): readonly SequenceId[] =>
  (JSON.parse(text) as readonly number[]).map(sequenceId);

const twoNumbers = (text: string): readonly [number, number] => {
  const [first, second] = text.split(' ');
  return [Number(first), Number(second)];
};

/** @param gen - the partition's generation: a Timeline of an older one goes on in it. */
export function decodeConversation(id: ConversationId, record: ActorRecord, gen: Generation): ConversationState {
  let meta: ConversationMeta | null = null;
  let msgNo = 0;
  let keyWindow = { window: 1, used: 0 };
  let segments: readonly ReadSegment[] = [];
  let readReason: ReadReason = 'size';
  let lastAt = 0;
  const senders: [UserId, readonly string[]][] = [];
  const members: [UserId, Member][] = [];
  const counters: [CounterKey, SendCounter][] = [];
  const bans: [UserId, Ban][] = [];
  const mentioned: [UserId, readonly SequenceId[]][] = [];
  let mentionsOfAll: readonly MentionOfAll[] = [];
  const keys: [string, { window: number; seq: ReturnType<typeof sequenceId> }][] = [];
  for (const [field, value] of record.fields) {
    const name = field.slice(2);
    if (field === 's') meta = decodeMeta(fromUtf8(value));
    else if (field === 'n') msgNo = Number(fromUtf8(value));
    else if (field === 'g') segments = decodeSegments(fromUtf8(value));
    else if (field === 'c') readReason = fromUtf8(value) === 'load' ? 'load' : 'size';
    else if (field === 'a') lastAt = Number(fromUtf8(value));
    else if (field === 't') mentionsOfAll = decodeMentionsOfAll(fromUtf8(value));
    else if (field.startsWith('h:')) mentioned.push([name as UserId, decodeMentioned(fromUtf8(value))]);
    else if (field.startsWith('v:')) senders.push([name as UserId, JSON.parse(fromUtf8(value)) as string[]]);
    else if (field === 'w') {
      const [window, used] = twoNumbers(fromUtf8(value));
      keyWindow = { window, used };
    } else if (field.startsWith('m:')) members.push([name as UserId, decodeMember(fromUtf8(value))]);
    else if (field.startsWith('b:')) {
      const [by, atMs] = JSON.parse(fromUtf8(value)) as StoredBan;
      bans.push([name as UserId, { by, atMs }]);
    } else if (field.startsWith('d:')) counters.push([name as CounterKey, decodeSendCounter(value)]);
    else if (field.startsWith('k:')) {
      const [window, seq] = twoNumbers(fromUtf8(value));
      keys.push([name, { window, seq: sequenceId(seq) }]);
    }
  }
  const head = record.head ?? emptyHead(gen);
  const storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
  return new ConversationState({
    id,
    storedAt,
    head: inGeneration(head, gen),
    meta,
    msgNo,
    keyWindow,
    segments,
    readReason,
    lastAt,
    senders,
    members,
    counters,
    keys,
    bans,
    mentioned,
    mentionsOfAll,
  });
}

/** What the next commit has to write of the conversation; null for nothing. */
export function conversationWrite(state: ConversationState): ActorWrite | null {
  if (!state.dirty) return null;
  const set: [string, string | Uint8Array][] = [];
  const unset: string[] = [];
  if (state.meta.dirty) set.push(['s', JSON.stringify({ v: VERSION, ...state.meta.value })]);
  if (state.msgNo.dirty) set.push(['n', String(state.msgNo.value)]);
  if (state.keyWindow.dirty)
    set.push(['w', `${String(state.keyWindow.value.window)} ${String(state.keyWindow.value.used)}`]);
  if (state.segments.dirty) set.push(['g', encodeSegments(state.segments.value)]);
  if (state.readReason.dirty) set.push(['c', state.readReason.value]);
  if (state.lastAt.dirty && modeNow(state.segments.value) === 'read') set.push(['a', String(state.lastAt.value)]);
  for (const [user, devices] of state.senders.changes()) {
    if (devices === undefined) unset.push(`v:${user}`);
    else set.push([`v:${user}`, JSON.stringify(devices)]);
  }
  for (const [user, member] of state.members.changes()) {
    if (member === undefined) unset.push(`m:${user}`);
    else set.push([`m:${user}`, encodeMember(member)]);
  }
  for (const [key, counter] of state.counters.changes()) {
    if (counter === undefined) unset.push(`d:${key}`);
    else set.push([`d:${key}`, encodeSendCounter(counter)]);
  }
  for (const [key, sent] of state.keys.changes()) {
    if (sent === undefined) unset.push(`k:${key}`);
    else set.push([`k:${key}`, `${String(sent.window)} ${String(sent.seq)}`]);
  }
  if (state.mentionsOfAll.dirty) set.push(['t', encodeMentionsOfAll(state.mentionsOfAll.value)]);
  for (const [user, seqs] of state.mentioned.changes()) {
    if (seqs === undefined) unset.push(`h:${user}`);
    else set.push([`h:${user}`, JSON.stringify(seqs)]);
  }
  for (const [user, ban] of state.bans.changes()) {
    if (ban === undefined) unset.push(`b:${user}`);
    else set.push([`b:${user}`, JSON.stringify([ban.by, ban.atMs] satisfies StoredBan)]);
  }
  return {
    actor: conversationKey(state.id),
    expected: { gen: state.storedAt.gen, seq: state.storedAt.seq },
    head: state.head.value,
    entries: [...state.entries],
    set,
    unset,
    trimBefore: null,
  };
}
