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
import type { Pinned, Role } from '@millrace/protocol';
import {
  decodeErased,
  decodeExtent,
  encodeErased,
  encodeExtent,
  ERASED,
  EXTENT,
  nobodyErased,
  type Extent,
} from '../revise/revision.ts';
import {
  conversationKey,
  emptyHead,
  generationOf,
  inGeneration,
  type Position,
  revisionsKey,
} from '@millrace/timeline';
import { metaOf } from './conversation-meta.ts';
import {
  ConversationState,
  type Ban,
  type ConversationMeta,
  type Member,
  type MentionOfAll,
  type Staged,
} from './conversation-state.ts';
import type { CounterKey } from './counted-devices.ts';
import { nothingRecalled, type RecalledList } from './recalled.ts';
import { decodeSendCounter, encodeSendCounter, type SendCounter } from './send-counter.ts';

/*
 * A conversation's record, of version 1, or 2: terse. One field each:
 *   s            JSON {"v":1 or 2, …ConversationMeta}, without what is as META_DEFAULTS has it, or TERSE_DEFAULTS in a terse record
 *   n            msgNo
 *   f            what it was before the first entry that is kept; absent for 0
 *   w            "<key window> <keys used in it>"
 *   m:<user>     JSON [role, readSeq, readMsgNo, sentAtRead, deliveredSeq, [joined, from, to or 0, joined, from, to or 0, …]],
 *                and mutedUntilMs behind them for one who was ever muted, goneBefore for one of whom it is not 0;
 *                in a terse record the role as ROLE_PLACES has it, and `joined` alone for [joined, joined, 0]
 *   b:<user>     JSON [by or null, atMs]: a ban
 *   d:<user>/<device>   a send counter, see send-counter.ts
 *   k:<user>/<key>      "<key window> <seq>"
 *   h:<user>     JSON [<seq>, …], the unread messages that name them
 *   t            JSON [[seq, from], …], the latest that mention all
 *   r            JSON [from, [[seq, from, rev], …]], the latest that were recalled
 *   p            JSON [[seq, by or null, at], …], what is pinned
 *   x:<user>     JSON [<seq>, …], what they have deleted and not read
 *   e            JSON [first, last], between which all are that were ever changed: then there is a record beside this one,
 *                see ../revise/revision.ts
 *   u            JSON [[user, upTo, rev], …], whose messages are erased; the same is in the record beside this one
 *   z            the seq up to which its entries are archived, and not hot any more; absent for none
 *   y            JSON [what, done(0|1)], of one that comes from an export: see imported.ts. While it is not done, there is no s
 * and of one that is or was pulled, instead of diffused:
 *   g            JSON [[from, to or 0], …], its read segments
 *   c            why it is pulled: "size" or "load"; absent for "size"
 *   a            when the last entry was sequenced, while it is pulled
 *   v:<user>     JSON [<device>, …], those with a send counter
 */
const VERSION = 1;
const TERSE_VERSION = 2;
type StoredSegment = readonly [number, number];
/** What each is in a terse record: only ever added to. */
const ROLE_PLACES: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };
const ROLES = Object.keys(ROLE_PLACES) as readonly Role[];
type StoredMember = readonly [
  ...positions: readonly [Role | number, number, number, number, number, readonly number[] | number],
  mutedUntilMs?: number,
  goneBefore?: number,
];
type StoredBan = readonly [by: UserId | null, atMs: number];

export function encodeMember(member: Member, isTerse: boolean): string {
  const { role, readSeq, readMsgNo, sentAtRead, deliveredSeq, intervals, mutedUntilMs, goneBefore } = member;
  const bounds = intervals.flatMap(({ joined, from, to }) => [joined, from, to ?? 0]);
  const [first] = intervals;
  // Of most members: they see what was sent since they joined, and never left.
  const isWhole = intervals.length === 1 && first?.from === first?.joined && first?.to === null;
  return JSON.stringify([
    isTerse ? ROLE_PLACES[role] : role,
    readSeq,
    readMsgNo,
    sentAtRead,
    deliveredSeq,
    isTerse && first !== undefined && isWhole ? first.joined : bounds,
    ...(mutedUntilMs === 0 && goneBefore === 0 ? [] : [mutedUntilMs]),
    ...(goneBefore === 0 ? [] : [goneBefore]),
  ]);
}

function roleAt(place: number): Role {
  const role = ROLES.find((one) => ROLE_PLACES[one] === place);
  invariant(role !== undefined, `the role ${String(place)} of a member is newer than this program`);
  return role;
}

export function decodeMember(text: string): Member {
  const [role, readSeq, readMsgNo, sentAtRead, deliveredSeq, stored, mutedUntilMs = 0, goneBefore = 0] = JSON.parse(
    text,
  ) as StoredMember;
  const bounds = typeof stored === 'number' ? [stored, stored, 0] : stored;
  const intervals = [];
  for (let index = 0; index + 2 < bounds.length; index += 3) {
    const [joined = 0, from = 0, to = 0] = bounds.slice(index, index + 3);
    intervals.push({ joined: sequenceId(joined), from: sequenceId(from), to: to === 0 ? null : sequenceId(to) });
  }
  return {
    role: typeof role === 'number' ? roleAt(role) : role,
    readMsgNo,
    sentAtRead,
    intervals,
    mutedUntilMs,
    goneBefore,
    readSeq: sequenceId(readSeq),
    // A record of an earlier version may have less: a join moved the read position alone.
    deliveredSeq: sequenceId(Math.max(deliveredSeq, readSeq)),
  };
}

/** What a record does not say: it is so of most conversations, and of all from before there were these settings. */
const META_DEFAULTS = { muted: false, slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' } as const;
/** The same of a terse one. */
const TERSE_DEFAULTS = {
  ...META_DEFAULTS,
  kind: 'direct',
  title: '',
  joinPolicy: 'invite',
  historyPolicy: 'all',
} as const;

export function encodeMeta(meta: ConversationMeta, isTerse: boolean): string {
  const defaults = Object.entries(isTerse ? TERSE_DEFAULTS : META_DEFAULTS);
  const said = Object.entries(meta).filter(
    (one) => !defaults.some(([name, value]) => name === one[0] && value === one[1]),
  );
  return JSON.stringify({ v: isTerse ? TERSE_VERSION : VERSION, ...Object.fromEntries(said) });
}

export function decodeMeta(text: string): ConversationMeta {
  const { v, ...meta } = JSON.parse(text) as ConversationMeta & { readonly v: number };
  invariant(
    v === VERSION || v === TERSE_VERSION,
    `conversation record version ${String(v)} is newer than this program`,
  );
  return metaOf({ ...TERSE_DEFAULTS, ...meta });
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

const encodeRecalled = ({ from, of }: RecalledList): string =>
  JSON.stringify([from, of.map((each) => [each.seq, each.from, each.rev])]);

export function decodeRecalled(text: string): RecalledList {
  const [from, of] = JSON.parse(text) as [number, readonly (readonly [seq: number, from: string, rev: number])[]];
  const list = of.map(([seq, author, rev]) => ({
    seq: sequenceId(seq),
    from: author as UserId,
    rev: sequenceId(rev),
  }));
  return { from: sequenceId(from), of: list };
}

type StoredPin = readonly [seq: number, by: string | null, at: number];

const encodePinned = (pinned: readonly Pinned[]): string =>
  JSON.stringify(pinned.map(({ seq, by, at }): StoredPin => [seq, by, at]));

const decodePinned = (text: string): readonly Pinned[] =>
  (JSON.parse(text) as readonly StoredPin[]).map(([seq, by, at]) => ({
    seq: sequenceId(seq),
    by: by as UserId | null,
    at,
  }));

export const decodeMentioned = (text: string): readonly SequenceId[] =>
  (JSON.parse(text) as readonly number[]).map(sequenceId);

const encodeStaged = (staged: Staged | null): string => JSON.stringify([staged?.what ?? '', staged?.isDone ? 1 : 0]);

function decodeStaged(text: string): Staged | null {
  const [what, isDone] = JSON.parse(text) as readonly [string, number];
  return what === '' ? null : { what, isDone: isDone === 1 };
}

const twoNumbers = (text: string): readonly [number, number] => {
  const [first, second] = text.split(' ');
  return [Number(first), Number(second)];
};

/** @param gen - the partition's generation: a Timeline of an older one goes on in it. */
export function decodeConversation(id: ConversationId, record: ActorRecord, gen: Generation): ConversationState {
  let meta: ConversationMeta | null = null;
  let msgNo = 0;
  let retiredMsgNo = 0;
  let keyWindow = { window: 1, used: 0 };
  let segments: readonly ReadSegment[] = [];
  let readReason: ReadReason = 'size';
  let lastAt = 0;
  let archivedTo = sequenceId(0);
  const senders: [UserId, readonly string[]][] = [];
  const members: [UserId, Member][] = [];
  const counters: [CounterKey, SendCounter][] = [];
  const bans: [UserId, Ban][] = [];
  const mentioned: [UserId, readonly SequenceId[]][] = [];
  let mentionsOfAll: readonly MentionOfAll[] = [];
  let recalled = nothingRecalled;
  let pinned: readonly Pinned[] = [];
  let revised: Extent | null = null;
  let erased = nobodyErased;
  const deleted: [UserId, readonly SequenceId[]][] = [];
  let staged: Staged | null = null;
  const keys: [string, { window: number; seq: ReturnType<typeof sequenceId> }][] = [];
  for (const [field, value] of record.fields) {
    const name = field.slice(2);
    if (field === 's') meta = decodeMeta(fromUtf8(value));
    else if (field === 'n') msgNo = Number(fromUtf8(value));
    else if (field === 'f') retiredMsgNo = Number(fromUtf8(value));
    else if (field === 'g') segments = decodeSegments(fromUtf8(value));
    else if (field === 'c') readReason = fromUtf8(value) === 'load' ? 'load' : 'size';
    else if (field === 'a') lastAt = Number(fromUtf8(value));
    else if (field === 'z') archivedTo = sequenceId(Number(fromUtf8(value)));
    else if (field === 't') mentionsOfAll = decodeMentionsOfAll(fromUtf8(value));
    else if (field === 'r') recalled = decodeRecalled(fromUtf8(value));
    else if (field === 'p') pinned = decodePinned(fromUtf8(value));
    else if (field === 'e') revised = decodeExtent(value);
    else if (field === 'u') erased = decodeErased(value);
    else if (field.startsWith('x:')) deleted.push([name as UserId, decodeMentioned(fromUtf8(value))]);
    else if (field === 'y') staged = decodeStaged(fromUtf8(value));
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
    archivedTo,
    meta,
    msgNo,
    retiredMsgNo,
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
    recalled,
    pinned,
    deleted,
    revised,
    staged,
    erased,
  });
}

/** The first entry that stays hot, or the one that will be. */
function hotFrom({ head: { value: head }, archivedTo }: ConversationState): Position {
  const seq = sequenceId(archivedTo.value + 1);
  return { gen: generationOf(head, seq) ?? head.gen, seq };
}

/**
 * What the next commit has to write of the conversation; null for nothing.
 *
 * @param isTerse - see `StoreFormat`. What is read may be either.
 */
export function conversationWrite(state: ConversationState, isTerse: boolean): ActorWrite | null {
  if (!state.dirty) return null;
  const set: [string, string | Uint8Array][] = [];
  const unset: string[] = [];
  const meta = state.meta.value;
  if (state.meta.dirty && meta === null) unset.push('s');
  else if (state.meta.dirty && meta !== null) set.push(['s', encodeMeta(meta, isTerse)]);
  if (state.msgNo.dirty) set.push(['n', String(state.msgNo.value)]);
  if (state.retiredMsgNo.dirty) set.push(['f', String(state.retiredMsgNo.value)]);
  if (state.archivedTo.dirty) set.push(['z', String(state.archivedTo.value)]);
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
    else set.push([`m:${user}`, encodeMember(member, isTerse)]);
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
  const staged = state.staged.value;
  if (state.staged.dirty && staged === null) unset.push('y');
  else if (state.staged.dirty) set.push(['y', encodeStaged(staged)]);
  for (const [user, seqs] of state.mentioned.changes()) {
    if (seqs === undefined) unset.push(`h:${user}`);
    else set.push([`h:${user}`, JSON.stringify(seqs)]);
  }
  if (state.recalled.dirty) set.push(['r', encodeRecalled(state.recalled.value)]);
  if (state.pinned.dirty) set.push(['p', encodePinned(state.pinned.value)]);
  if (state.revised.dirty && state.revised.value !== null) set.push(['e', encodeExtent(state.revised.value)]);
  if (state.erased.dirty) set.push(['u', encodeErased(state.erased.value)]);
  for (const [user, seqs] of state.deleted.changes()) {
    if (seqs === undefined) unset.push(`x:${user}`);
    else set.push([`x:${user}`, JSON.stringify(seqs)]);
  }
  for (const [user, ban] of state.bans.changes()) {
    if (ban === undefined) unset.push(`b:${user}`);
    else set.push([`b:${user}`, JSON.stringify([ban.by, ban.atMs] satisfies StoredBan)]);
  }
  return {
    actor: conversationKey(state.id),
    expected: { gen: state.storedAt.gen, seq: state.storedAt.seq },
    head: state.head.value,
    entries: state.entries,
    set,
    unset,
    // In the commit that says so, and not before: whoever misses an entry here finds it in the archive (I8).
    trimBefore: state.archivedTo.dirty ? hotFrom(state) : null,
  };
}

/** What the same commit has to write of what was changed of its messages; null for nothing. */
export function revisionsWrite(state: ConversationState): ActorWrite | null {
  if (!state.revisions.dirty && !state.erased.dirty) return null;
  const fields = state.revisions.fields;
  const extent = state.revised.value;
  const gone = new Set(state.revisions.dropped);
  const set: (readonly [string, string])[] = [...fields];
  if (fields.length + gone.size > 0 && state.revised.dirty && extent !== null) set.push([EXTENT, encodeExtent(extent)]);
  if (state.erased.dirty) set.push([ERASED, encodeErased(state.erased.value)]);
  if (set.length + gone.size === 0) return null;
  return {
    actor: revisionsKey(state.id),
    // Nothing is appended to it: the conversation's own position is what stands for both.
    expected: NO_POSITION,
    head: emptyHead(NO_POSITION.gen),
    entries: [],
    // What goes by the same commit is not set first.
    set: set.filter(([field]) => !gone.has(field)),
    unset: [...gone],
    trimBefore: null,
  };
}

const NO_POSITION = { gen: generation(0), seq: sequenceId(0) };
