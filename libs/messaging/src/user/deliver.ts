import { generation, sequenceId, unreachable, type Generation, type SequenceId } from '@millrace/kernel';
import {
  goneBehind,
  goneFields,
  joinGone,
  mentionsBehind,
  mentionsUser,
  withGone,
  withMentions,
  type Gone,
  type PushItem,
  type WireEntry,
} from '@millrace/protocol';
import { comparePositions, type GenerationSpan } from '@millrace/timeline';
import { controlOf } from '../diffuse/control-of.ts';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { Delivery, Reading, Recount, UserItem } from './commands.ts';
import { unscheduleAll } from './scheduled.ts';
import { takeStanding } from './standing.ts';
import { isUncounted, noConcern, type Concern, type Progress, type UserState } from './user-state.ts';

type Messages = Extract<Delivery, { d: 'messages' }>;
type DeletedOf = Extract<Delivery, { d: 'deleted' }>;
type HintOf = Extract<Delivery, { d: 'hint' }>;
type ReadPosition = Extract<Delivery, { d: 'read' }>;

/**
 * Takes what diffusion brought into the inbox: each entry once, whatever is repeated (I6). A conversation's fresh
 * entries become one pointer.
 */
export function deliver(
  state: UserState,
  items: readonly UserItem[],
  nowMs: number,
  limits: MessagingLimits,
): readonly Effect[] {
  const { oldest } = state.inbox.value;
  const first = sequenceId(state.head.value.seq + 1);
  const pushed: PushItem<WireEntry>[] = [];
  for (const item of items) {
    const push = deliverOne(state, whole(item), nowMs);
    if (push !== null) pushed.push(push);
  }
  const broken: readonly Effect[] = state.inbox.value.oldest > oldest ? [{ e: 'broken', user: state.id }] : [];
  if (pushed.length === 0) return broken;
  state.trim(nowMs, limits);
  const { gen, seq } = state.head.value;
  const push: Effect = { e: 'inbox', user: state.id, push: { gen, from: first, to: seq, items: pushed } };
  return [...broken, push];
}

/** What a node of a former version sends, during a rolling update, says less: what it did not know of was not so yet. */
function whole(item: UserItem): UserItem {
  const told: Partial<UserItem> = item;
  if (item.d === 'messages' && !('behind' in told)) return { ...item, behind: 'write', skipped: null };
  if (item.d === 'read' && !('sent' in told)) return { ...item, gen: generation(0), sent: null };
  return item;
}

function deliverOne(state: UserState, item: UserItem, nowMs: number): PushItem<WireEntry> | null {
  switch (item.d) {
    case 'messages':
      return deliverMessages(state, item, nowMs);
    case 'read':
      return deliverRead(state, item, nowMs);
    case 'recount':
      return recount(state, item);
    case 'standing':
      return takeStanding(state, item, nowMs);
    case 'hint':
      return deliverHint(state, item, nowMs);
    case 'deleted':
      return deliverDeleted(state, item, nowMs);
    default:
      return unreachable(item);
  }
}

/** The inbox lacks something for good: it begins anew here. */
export function breakInbox(state: UserState, nowMs: number): readonly Effect[] {
  state.breakInbox(nowMs);
  return [{ e: 'broken', user: state.id }];
}

/** Nothing is listed any more, and nothing that came is kept: all that is left is where the inbox stands (I3). */
export function forgetAll(state: UserState, nowMs: number): readonly Effect[] {
  for (const conversation of [...state.listed.keys()]) state.unlist(conversation);
  unscheduleAll(state);
  return breakInbox(state, nowMs);
}

/** The entries behind the watermark. */
function freshEntries(entries: readonly WireEntry[], applied: Progress | undefined): readonly WireEntry[] {
  const [first] = entries;
  if (applied === undefined || first === undefined || comparePositions(first, applied) > 0) return entries;
  return entries.filter((entry) => comparePositions(entry, applied) > 0);
}

/**
 * Whether this entry goes on where the inbox stands. A member gets every entry, also over generations, and the first is
 * that of their join; who was out in between gets the entry of the join next, and nothing before it. Otherwise
 * deliveries never came, or were lost, or what they brought has been lost since by the conversation.
 *
 * @param ownGen - of the user's partition: in a newer one than that in which `before` was confirmed, a leave and a stay
 *   that came before this join may have been lost.
 * @param hole - what the conversation says lies in between and is in no inbox; see {@link holeBefore}.
 */
function goesOn(
  before: Progress | undefined,
  first: WireEntry,
  joined: boolean,
  ownGen: Generation,
  hole: readonly GenerationSpan[] | null,
): boolean {
  if (before === undefined) return joined;
  if (first.seq === before.seq + 1 || hole !== null) return true;
  return joined && !before.member && before.confirmedIn === ownGen && first.seq > before.seq;
}

/**
 * What lies between where the inbox stands and the first entry, when all of it is announced to be in no inbox: only where
 * the inbox has everything else. Null when it is not, or there is nothing.
 */
function holeBefore(
  before: Progress | undefined,
  first: WireEntry,
  { entries, skipped }: Messages,
): readonly GenerationSpan[] | null {
  if (before === undefined || skipped === null || first !== entries[0] || before.seq !== skipped.after) return null;
  const isThere = skipped.spans.some((span) => span.gen === before.gen && isWithin(before.seq, span));
  if (!isThere || before.seq + 1 === first.seq) return null;
  return skipped.spans
    .filter(({ last }) => last > before.seq)
    .map((span) => ({ ...span, first: sequenceId(Math.max(span.first, before.seq + 1)) }));
}

const isWithin = (seq: SequenceId, { first, last }: GenerationSpan): boolean => seq >= first && seq <= last;

const unknownReading: Reading = { readSeq: sequenceId(0), readMsgNo: 0, sentAtRead: 0 };

function deliverMessages(state: UserState, item: Messages, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, kind, title } = item.facts;
  const known = state.listed.get(conversation);
  const before = known === undefined ? undefined : state.progress.get(known.slot);
  const entries = freshEntries(item.entries, before);
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return null;
  const { slot } = state.list(conversation, kind, title);
  const joined = item.change === 'joined';
  const ownGen = state.head.value.gen;
  const hole = holeBefore(before, first, item);
  const isBroken = !goesOn(before, first, joined, ownGen, hole);
  if (isBroken) state.breakInbox(nowMs);
  const { msgNo, at } = last.brief;
  const behind = item.change === 'left' ? 'write' : item.behind;
  const own = ownOf(state, entries);
  const { sent, sentFrom } = sentBefore(before, first, isBroken, item);
  // Reading begins with the entry that tells of the join: what was there before does not count as unread.
  const reading = joined
    ? { readSeq: last.seq, readMsgNo: msgNo, sentAtRead: sent + own }
    : readingBefore(before, first.seq);
  state.progress.set(slot, {
    gen: last.gen,
    seq: last.seq,
    msgNo,
    sent: sent + own,
    sentFrom,
    readSeq: reading.readSeq,
    readMsgNo: reading.readMsgNo,
    sentAtRead: reading.sentAtRead,
    lastAt: at,
    // Only members get entries, and who leaves the one that tells of it.
    member: item.change !== 'left',
    // Who is gone pulls nothing.
    behind,
    // What an older generation brings late may have been lost with its end, whatever was confirmed in a newer one.
    confirmedGen: generation(Math.min(before?.confirmedGen ?? first.gen, first.gen)),
    // Where something was lost once, this may be a return to what was lost: the conversation knows.
    confirmedIn: before?.confirmedIn ?? generation(ownGen > 1 ? 0 : ownGen),
  });
  if (state.concern(slot) !== noConcern || item.skipped !== null || entries.some(mayConcern)) {
    state.setConcern(slot, concernAfter(state, slot, entries, reading.readSeq, item));
  }
  for (const { gen, first: from, last: to } of pointers(hole, { gen: first.gen, first: first.seq, last: last.seq })) {
    state.append({ kind: 'messages', slot, gen, from, to, behind: to === last.seq ? behind : 'read' }, nowMs);
  }
  if (behind === 'read' || before?.behind === 'read') state.noteSwitch();
  return { conversation, messages: entries };
}

/** How many of them are the user's own messages. */
function ownOf(state: UserState, entries: readonly WireEntry[]): number {
  let own = 0;
  for (const { brief } of entries) if (brief.countable && brief.from === state.id) own += 1;
  return own;
}

/** What the inbox is to point at: what was in no inbox, and the entries, which end it. */
function pointers(hole: readonly GenerationSpan[] | null, entries: GenerationSpan): readonly GenerationSpan[] {
  if (hole === null) return [entries];
  const runs = [...hole];
  const last = runs.at(-1);
  if (last?.gen === entries.gen) runs[runs.length - 1] = { ...last, last: entries.last };
  else runs.push(entries);
  return runs;
}

/** The user's own countable messages before the first entry, of those behind `sentFrom`. */
function sentBefore(
  before: Progress | undefined,
  first: WireEntry,
  isBroken: boolean,
  { entries, skipped }: Messages,
): Pick<Progress, 'sent' | 'sentFrom'> {
  if (skipped !== null && first === entries[0]) return { sent: skipped.sent, sentFrom: sequenceId(0) };
  if (isBroken) return { sent: 0, sentFrom: sequenceId(first.seq - 1) };
  return { sent: before?.sent ?? 0, sentFrom: before?.sentFrom ?? sequenceId(0) };
}

/** Whether an entry could mention somebody, or take something back. */
const mayConcern = ({ hasExtensions, isControl }: WireEntry): boolean => hasExtensions || isControl;

/**
 * What concerns the user behind these entries. Of what was in no inbox before them only the conversation knows all that
 * mentions the user: it says so.
 */
function concernAfter(
  state: UserState,
  slot: number,
  entries: readonly WireEntry[],
  readSeq: SequenceId,
  item: Messages,
): Concern {
  const known = state.concern(slot);
  const [first] = entries;
  const isTold = item.skipped !== null && first === item.entries[0];
  const before = (isTold ? item.skipped.mentions : undefined) ?? lostFrom(known.mentions, first?.seq ?? readSeq);
  const told = entries.filter((entry) => entry.hasExtensions && mentionsUser(entry.message, state.id));
  const mentions = withMentions(
    before,
    told.map(({ seq }) => seq),
  );
  const goneBefore = (isTold ? item.skipped.gone : undefined) ?? goneBelow(known.gone, first?.seq ?? readSeq);
  const gone = withGone(goneBefore, recalledIn(state, entries, readSeq));
  return { ...known, mentions: mentionsBehind(mentions, readSeq), gone: goneBehind(gone, readSeq) };
}

/** What these entries take back of what the user has not read. */
const recalledIn = (state: UserState, entries: readonly WireEntry[], readSeq: SequenceId): readonly SequenceId[] =>
  entries.flatMap((entry) => {
    const control = entry.isControl ? controlOf(entry) : null;
    if (control?.control !== 'recalled' || control.author === state.id || control.seq <= readSeq) return [];
    return [control.seq];
  });

/** What stood at an entry that comes now was lost. */
const goneBelow = (gone: Gone, seq: SequenceId): Gone =>
  (gone.seqs.at(-1) ?? 0) < seq ? gone : { ...gone, seqs: gone.seqs.filter((each) => each < seq) };

/** A message that the user has deleted, here or on another device. */
function deliverDeleted(state: UserState, item: DeletedOf, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, gen, seq, counted } = item;
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  if (slot === undefined || before === undefined) return null;
  const concern = state.concern(slot);
  if (counted && seq > before.readSeq) state.setConcern(slot, { ...concern, gone: withGone(concern.gone, [seq]) });
  // What an older generation brings late may have been lost with its end: then the conversation is asked again.
  if (gen < before.confirmedGen) state.progress.set(slot, { ...before, confirmedGen: gen });
  state.append({ kind: 'deleted', slot, seq }, nowMs);
  return { conversation, deleted: { seq, counted } };
}

/** What stood at an entry that comes now was lost. */
const lostFrom = (mentions: readonly SequenceId[], seq: SequenceId): readonly SequenceId[] =>
  (mentions.at(-1) ?? 0) < seq ? mentions : mentions.filter((each) => each < seq);

/** Of an entry that is pulled, once (I6). Who is not in it any more, or not yet, it does not concern. */
function deliverHint(state: UserState, item: HintOf, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, gen, seq, why } = item;
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  if (slot === undefined || before?.member !== true) return null;
  const { mentions, hinted } = state.concern(slot);
  if (comparePositions(item, hinted) <= 0 || comparePositions(item, before) <= 0) return null;
  const isUnread = why === 'mention' && seq > before.readSeq;
  state.setConcern(slot, {
    ...state.concern(slot),
    mentions: isUnread ? withMentions(mentions, [seq]) : mentions,
    hinted: { gen, seq },
  });
  // What an older generation brings late may have been lost with its end: then the conversation is asked again.
  if (gen < before.confirmedGen) state.progress.set(slot, { ...before, confirmedGen: gen });
  state.append({ kind: 'hint', slot, gen, seq, why }, nowMs);
  return { conversation, hint: { gen, seq, why } };
}

/** What was read is still there, unless it was lost. */
function readingBefore(before: Progress | undefined, first: SequenceId): Reading {
  if (before === undefined || before.readSeq >= first) return unknownReading;
  const { readSeq, readMsgNo, sentAtRead } = before;
  return { readSeq, readMsgNo, sentAtRead };
}

function deliverRead(state: UserState, item: ReadPosition, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, gen, readSeq, readMsgNo, sentAtRead, sent } = item;
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  if (slot === undefined || before === undefined || readSeq <= before.readSeq) return null;
  // What an older generation brings late may have been lost with its end: then the conversation is asked again.
  const confirmedGen = generation(Math.min(before.confirmedGen, gen));
  const after: Progress = { ...before, readSeq, readMsgNo, sentAtRead, confirmedGen };
  state.progress.set(slot, after);
  const concern = state.concern(slot);
  const gone = goneBehind(joinGone(item.gone ?? concern.gone, concern.gone), readSeq);
  state.setConcern(slot, { ...concern, mentions: mentionsBehind(concern.mentions, readSeq), gone });
  if (isUncounted(after) && sent === null) {
    // The devices would be told a wrong number of their user's own: they ask for the list instead.
    state.breakInbox(nowMs);
    return null;
  }
  state.append({ kind: 'read', slot, readSeq, readMsgNo, sentAtRead }, nowMs);
  const own = sent === null ? ownAfterRead(after) : Math.max(0, sent - sentAtRead);
  return { conversation, read: { readSeq, readMsgNo, own, ...goneFields(gone) } };
}

/** What the conversation knew of the user at `from`, where the own count of the inbox begins. */
function recount(state: UserState, { conversation, from, sent, reading, mentions, gone: told }: Recount): null {
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  if (slot === undefined || before === undefined || !isUncounted(before) || before.sentFrom !== from) return null;
  const latest = reading.readSeq >= before.readSeq ? reading : {};
  const after = { ...before, ...latest, sent: before.sent + sent, sentFrom: sequenceId(0) };
  state.progress.set(slot, after);
  const concern = state.concern(slot);
  const since = concern.mentions.filter((seq) => seq > from);
  const all = mentions === undefined ? concern.mentions : withMentions(since, upTo(mentions, from));
  const gone = goneBehind(joinGone(told ?? concern.gone, concern.gone), after.readSeq);
  state.setConcern(slot, { ...concern, mentions: mentionsBehind(all, after.readSeq), gone });
  return null;
}

const upTo = (mentions: readonly SequenceId[], seq: SequenceId): readonly SequenceId[] =>
  mentions.filter((each) => each <= seq);

/** The user's own countable messages after their read position. */
export const ownAfterRead = (progress: Progress): number => Math.max(0, progress.sent - progress.sentAtRead);
