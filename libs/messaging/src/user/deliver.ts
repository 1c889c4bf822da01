import { sequenceId } from '@millrace/kernel';
import type { PushItem, WireEntry } from '@millrace/protocol';
import { comparePositions } from '@millrace/timeline';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { Delivery } from './commands.ts';
import type { Progress, UserState } from './user-state.ts';

type Messages = Extract<Delivery, { d: 'messages' }>;
type ReadPosition = Extract<Delivery, { d: 'read' }>;

/**
 * Takes what diffusion brought into the inbox: each entry once, whatever is repeated (I6). A conversation's fresh
 * entries become one pointer.
 */
export function deliver(
  state: UserState,
  items: readonly Delivery[],
  nowMs: number,
  limits: MessagingLimits,
): readonly Effect[] {
  const { oldest } = state.inbox.value;
  const first = sequenceId(state.head.value.seq + 1);
  const pushed: PushItem<WireEntry>[] = [];
  for (const item of items) {
    const push = item.d === 'messages' ? deliverMessages(state, item, nowMs) : deliverRead(state, item, nowMs);
    if (push !== null) pushed.push(push);
  }
  if (pushed.length === 0) return [];
  const wasBroken = state.inbox.value.oldest > oldest;
  state.trim(nowMs, limits);
  const { gen, seq } = state.head.value;
  const push: Effect = { e: 'inbox', user: state.id, push: { gen, from: first, to: seq, items: pushed } };
  return wasBroken ? [{ e: 'broken', user: state.id }, push] : [push];
}

/** The inbox lacks something for good: it begins anew here. */
export function breakInbox(state: UserState, nowMs: number): readonly Effect[] {
  state.breakInbox(nowMs);
  return [{ e: 'broken', user: state.id }];
}

/** The entries behind the watermark. */
function freshEntries(entries: readonly WireEntry[], applied: Progress | undefined): readonly WireEntry[] {
  const [first] = entries;
  if (applied === undefined || first === undefined || comparePositions(first, applied) > 0) return entries;
  return entries.filter((entry) => comparePositions(entry, applied) > 0);
}

/**
 * Whether deliveries between the watermark and this entry never came. A member gets every entry of a generation; who
 * was out in between gets the entry of the join next, and nothing before it.
 */
const isHole = (before: Progress, first: WireEntry, joined: boolean): boolean =>
  before.member && !joined && first.gen === before.gen && first.seq > before.seq + 1;

function deliverMessages(state: UserState, item: Messages, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, kind, title } = item.facts;
  const known = state.listed.get(conversation);
  const before = known === undefined ? undefined : state.progress.get(known.slot);
  const entries = freshEntries(item.entries, before);
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return null;
  const { slot } = state.list(conversation, kind, title);
  if (before !== undefined && isHole(before, first, item.change === 'joined')) state.breakInbox(nowMs);
  const { message } = last;
  let sent = before?.sent ?? 0;
  for (const entry of entries) if (entry.message.countable && entry.message.from === state.id) sent += 1;
  const joined = item.change === 'joined' || before === undefined;
  // Reading begins with the entry that tells of the join: what was there before does not count as unread.
  const reading = joined
    ? { readSeq: last.seq, readMsgNo: message.msgNo, sentAtRead: sent }
    : { readSeq: before.readSeq, readMsgNo: before.readMsgNo, sentAtRead: before.sentAtRead };
  state.progress.set(slot, {
    gen: last.gen,
    seq: last.seq,
    msgNo: message.msgNo,
    sent,
    ...reading,
    lastAt: message.at,
    member: item.change === 'left' ? false : joined || before.member,
  });
  state.append({ kind: 'messages', slot, gen: first.gen, from: first.seq, to: last.seq }, nowMs);
  return { conversation, messages: entries };
}

function deliverRead(state: UserState, item: ReadPosition, nowMs: number): PushItem<WireEntry> | null {
  const { conversation, readSeq, readMsgNo, sentAtRead } = item;
  const slot = state.listed.get(conversation)?.slot;
  const before = slot === undefined ? undefined : state.progress.get(slot);
  if (slot === undefined || before === undefined || readSeq <= before.readSeq) return null;
  const after: Progress = { ...before, readSeq, readMsgNo, sentAtRead };
  state.progress.set(slot, after);
  state.append({ kind: 'read', slot, readSeq, readMsgNo, sentAtRead }, nowMs);
  return { conversation, read: { readSeq, readMsgNo, own: ownAfterRead(after) } };
}

/** The user's own countable messages after their read position. */
export const ownAfterRead = (progress: Progress): number => Math.max(0, progress.sent - progress.sentAtRead);
