import { MalformedBytes, sequenceId, type SequenceId } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import type { InboxRecord } from '../user/inbox-entry.ts';
import type { InboxDelta, Pointer } from './inbox-delta.ts';
import type { SyncToken } from './sync-token.ts';

/** What the records of a window say of one conversation, in their order. */
interface WindowPart {
  readonly slot: number;
  readonly pointers: readonly Pointer[];
  /** Messages that the pointers point at. */
  readonly count: number;
  /** Rising. */
  readonly deleted: readonly SequenceId[];
}

/**
 * A run of inbox records, gathered by conversation: a device that missed a little of each of many conversations takes them
 * one after the other, and each is asked where it stands, and read, once instead of once in every answer.
 *
 * It holds only records whose order among the conversations means nothing.
 */
export interface InboxWindow {
  /** Of its last record. */
  readonly to: Position;
  /** In the order in which the conversations first appear. */
  readonly parts: readonly WindowPart[];
}

/** Records in one window at most, so that what is kept of it stays small (I9). */
export const WINDOW_RECORDS_MAX = 10_000;

interface GrowingPart {
  readonly slot: number;
  readonly pointers: Pointer[];
  count: number;
  readonly deleted: Set<SequenceId>;
}

/** Whether a window ends before it: it says that a conversation is pulled from there on, or is of one that is. */
export const endsWindow = (cursors: SyncToken['cursors'], { entry }: InboxRecord): boolean =>
  entry.kind === 'messages' && (entry.behind === 'read' || cursors.has(entry.slot));

/**
 * Gathers the records that follow the token, up to the first one that ends the window. The same records behind the same
 * token give the same window.
 *
 * @returns null when the first one ends it.
 */
export function windowOf({ offset, cursors }: SyncToken, records: readonly InboxRecord[]): InboxWindow | null {
  const parts = new Map<number, GrowingPart>();
  let to: Position | null = null;
  let skip = offset;
  for (const record of records) {
    if (endsWindow(cursors, record)) break;
    const { gen, seq, entry } = record;
    to = { gen, seq };
    if (entry.kind !== 'break') {
      const part = parts.get(entry.slot) ?? { slot: entry.slot, pointers: [], count: 0, deleted: new Set() };
      parts.set(entry.slot, part);
      if (entry.kind === 'deleted') part.deleted.add(entry.seq);
      if (entry.kind === 'messages') addPointer(part, { ...entry, from: sequenceId(entry.from + skip) });
    }
    skip = 0;
  }
  if (to === null) return null;
  const rising = (seqs: ReadonlySet<SequenceId>): readonly SequenceId[] => [...seqs].sort((one, other) => one - other);
  return { to, parts: [...parts.values()].map((part) => ({ ...part, deleted: rising(part.deleted) })) };
}

function addPointer(part: GrowingPart, { slot, gen, from, to }: Pointer): void {
  if (from > to + 1) throw new MalformedBytes('a sync token goes further into a record than it is long');
  if (from > to) return;
  part.count += to - from + 1;
  const last = part.pointers.at(-1);
  if (last?.gen === gen && last.to + 1 === from) part.pointers[part.pointers.length - 1] = { ...last, to };
  else part.pointers.push({ slot, gen, from, to });
}

/**
 * Cuts an answer of at most `limit` messages, of at most as many conversations, from what is left of a window.
 *
 * @throws MalformedBytes when the token is further in it than it goes.
 */
export function cutWindow(token: SyncToken, window: InboxWindow, limit: number): InboxDelta {
  const { position, offset, cursors, turn } = token;
  const { to, parts } = window;
  let { done, given } = token.window ?? { done: 0, given: 0 };
  if (done >= parts.length && done > 0)
    throw new MalformedBytes('a sync token goes further into the inbox than it is long');
  const slots: number[] = [];
  const pointers: Pointer[] = [];
  const deleted = new Map<number, readonly SequenceId[]>();
  const ofTurn = turn === undefined ? {} : { turn };
  let left = limit;
  for (const part of parts.slice(done)) {
    const rest = part.count - given;
    if (rest < 0) throw new MalformedBytes('a sync token goes further into a conversation than it is long');
    if ((left === 0 && rest > 0) || slots.length === limit) break;
    slots.push(part.slot);
    if (part.deleted.length > 0) deleted.set(part.slot, part.deleted);
    const count = Math.min(left, rest);
    pointers.push(...cutPointers(part.pointers, given, count));
    left -= count;
    if (count < rest) {
      given += count;
      break;
    }
    [done, given] = [done + 1, 0];
  }
  const isWhole = done === parts.length;
  const next = isWhole
    ? { position: to, offset: 0, cursors, ...ofTurn }
    : { position, offset, cursors, ...ofTurn, window: { to, done, given } };
  return { slots, pointers, deleted, next, complete: isWhole };
}

/** `count` of the messages behind the first `skip`. */
function cutPointers(pointers: readonly Pointer[], skip: number, count: number): readonly Pointer[] {
  const cut: Pointer[] = [];
  let [before, left] = [skip, count];
  for (const pointer of pointers) {
    if (left === 0) break;
    const size = pointer.to - pointer.from + 1;
    const from = pointer.from + Math.min(size, before);
    const to = Math.min(pointer.to, from + left - 1);
    before -= Math.min(size, before);
    if (from > to) continue;
    cut.push({ ...pointer, from: sequenceId(from), to: sequenceId(to) });
    left -= to - from + 1;
  }
  return cut;
}
