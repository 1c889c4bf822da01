import { MalformedBytes, sequenceId, type SequenceId } from '@millrace/kernel';
import { comparePositions, type Position } from '@millrace/timeline';
import type { InboxEntry, InboxRecord } from '../user/inbox-entry.ts';
import type { EntryRange } from './read-messages.ts';
import { noCursors, type SyncToken } from './sync-token.ts';

/** Entries of one conversation and generation, as inbox records point at them. */
export type Pointer = Pick<Extract<InboxEntry, { kind: 'messages' }>, 'slot' | 'gen' | 'from' | 'to'>;

/** What one sync answer takes from the inbox. */
export interface InboxDelta {
  /** Slots that have something new, in the order in which they first appear. */
  readonly slots: readonly number[];
  /** Pointers to read, in inbox order; the same slot may come several times. */
  readonly pointers: readonly Pointer[];
  /** By slot, what the user has deleted for themselves, rising. */
  readonly deleted: ReadonlyMap<number, readonly SequenceId[]>;
  /** Where the next answer goes on. */
  readonly next: SyncToken;
  /** Whether all of the given records fitted. */
  readonly complete: boolean;
}

/**
 * Whether the record that the device has a part of was lost. Another one of a newer generation may stand at its place,
 * or none.
 */
export const isInLostRecord = (
  { position, offset }: Pick<SyncToken, 'position' | 'offset'>,
  records: readonly InboxRecord[],
): boolean => offset > 0 && records[0]?.gen !== position.gen;

/** How far a device says that it is in conversations that are pulled, by slot, beside what its token says. */
export type ReachedSlots = ReadonlyMap<number, Position>;

/**
 * Cuts an answer of at most `limit` messages from inbox records, which follow the token without a gap. A pointer that
 * does not fit whole is split: the token then says how far into it the answer went.
 *
 * A record behind which its conversation is pulled brings a cursor into the token; the one that ends that takes it out
 * again once the device has all of it. It points at everything in between, too: what the cursor is past is left out.
 *
 * A record of which nothing fits any more is left to the next answer, and so is its conversation: a device that is told of one
 * that it does not know, without a message, takes it to have nothing for it but where it stands.
 */
export function cutDelta(
  token: SyncToken,
  records: readonly InboxRecord[],
  limit: number,
  reached: ReachedSlots = noCursors,
): InboxDelta {
  const slots = new Set<number>();
  const pointers: Pointer[] = [];
  const deleted = new Map<number, SequenceId[]>();
  const cursors = new Map(token.cursors);
  let left = limit;
  let position: Position = token.position;
  let offset = token.offset;
  const here = (): SyncToken => ({ ...token, position, offset, cursors });
  for (const { gen, seq, entry } of records) {
    if (entry.kind === 'messages') {
      const { slot } = entry;
      if (entry.from + offset > entry.to + 1)
        throw new MalformedBytes('a sync token goes further into a record than it is long');
      const cursor = cursors.get(slot);
      // Who comes back is told live what is in the inbox, too, of a conversation that has no cursor yet.
      const known = cursor ?? reached.get(slot);
      const from = Math.max(entry.from + offset, firstBehind(known, entry));
      if (left === 0 && from <= entry.to)
        return { slots: [...slots], pointers, deleted, next: here(), complete: false };
      const count = Math.min(left, entry.to - from + 1);
      if (count > 0) pointers.push({ slot, gen: entry.gen, from: sequenceId(from), to: sequenceId(from + count - 1) });
      // Also when the device has all of it: how it is diffused may be new.
      if (count > 0 || known !== undefined || entry.behind === 'read') slots.add(slot);
      left -= count;
      if (from + count <= entry.to) {
        const inside = { position: { gen, seq: sequenceId(seq - 1) }, offset: from + count - entry.from };
        return { slots: [...slots], pointers, deleted, next: { ...token, ...inside, cursors }, complete: false };
      }
      if (entry.behind === 'write') cursors.delete(slot);
      else cursors.set(slot, latest([cursor, reached.get(slot), { gen: entry.gen, seq: entry.to }]));
    } else if (entry.kind !== 'break') {
      slots.add(entry.slot);
      if (entry.kind === 'deleted') {
        const known = deleted.get(entry.slot) ?? [];
        noteDeleted(known, entry.seq);
        deleted.set(entry.slot, known);
      }
    }
    offset = 0;
    position = { gen, seq };
  }
  return { slots: [...slots], pointers, deleted, next: here(), complete: true };
}

/** Keeps them rising, each once. */
function noteDeleted(deleted: SequenceId[], seq: SequenceId): void {
  if (deleted.includes(seq)) return;
  deleted.push(seq);
  deleted.sort((one, other) => one - other);
}

/** The first seq of the record that the device may not have by pulling; behind its last when it has all. */
function firstBehind(cursor: Position | undefined, { gen, from, to }: Pointer): number {
  if (cursor === undefined || cursor.gen < gen) return from;
  return cursor.gen > gen ? to + 1 : Math.min(to + 1, Math.max(from, cursor.seq + 1));
}

const latest = (positions: readonly (Position | undefined)[]): Position =>
  positions
    .filter((position) => position !== undefined)
    .reduce((one, other) => (comparePositions(one, other) >= 0 ? one : other));

/** The token's cursors, moved on to what the device says. */
export function withReached(token: SyncToken, reached: ReachedSlots): SyncToken {
  if (reached.size === 0) return token;
  const cursors = new Map<number, Position>();
  for (const [slot, cursor] of token.cursors) cursors.set(slot, latest([cursor, reached.get(slot)]));
  return { ...token, cursors };
}

/** Messages of the inbox in an answer. */
export const broughtBy = ({ pointers }: InboxDelta): number =>
  pointers.reduce((sum, { from, to }) => sum + to - from + 1, 0);

/** Pointers of one slot and generation that follow on each other, joined. */
export function joinPointers(pointers: InboxDelta['pointers']): ReadonlyMap<number, readonly EntryRange[]> {
  const bySlot = new Map<number, EntryRange[]>();
  for (const { slot, gen, from, to } of pointers) {
    const ranges = bySlot.get(slot) ?? [];
    const last = ranges.at(-1);
    if (last?.to.gen === gen && last.to.seq + 1 === from)
      ranges[ranges.length - 1] = { from: last.from, to: { gen, seq: to } };
    else ranges.push({ from: { gen, seq: from }, to: { gen, seq: to } });
    bySlot.set(slot, ranges);
  }
  return bySlot;
}
