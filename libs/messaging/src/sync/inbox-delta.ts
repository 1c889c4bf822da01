import { MalformedBytes, sequenceId } from '@millrace/kernel';
import type { TimelineEntry, Position } from '@millrace/timeline';
import { decodeInboxEntry, type InboxEntry } from '../user/inbox-entry.ts';
import type { EntryRange } from './read-messages.ts';
import type { SyncToken } from './sync-token.ts';

/** What one sync answer takes from the inbox. */
export interface InboxDelta {
  /** Slots that have something new, in the order in which they first appear. */
  readonly slots: readonly number[];
  /** Pointers to read, in inbox order; the same slot may come several times. */
  readonly pointers: readonly Extract<InboxEntry, { kind: 'messages' }>[];
  /** Where the next answer goes on. */
  readonly next: SyncToken;
  /** Whether all of the given records fitted. */
  readonly complete: boolean;
}

/**
 * Whether the record that the device has a part of was lost. Another one of a newer generation may stand at its place,
 * or none.
 */
export const isInLostRecord = ({ position, offset }: SyncToken, records: readonly TimelineEntry[]): boolean =>
  offset > 0 && records[0]?.gen !== position.gen;

/**
 * Cuts an answer of at most `limit` messages from inbox records, which follow the token without a gap. A pointer that
 * does not fit whole is split: the token then says how far into it the answer went.
 */
export function cutDelta(token: SyncToken, records: readonly TimelineEntry[], limit: number): InboxDelta {
  const slots = new Set<number>();
  const pointers: Extract<InboxEntry, { kind: 'messages' }>[] = [];
  let left = limit;
  let position: Position = token.position;
  let offset = token.offset;
  for (const { gen, seq, data } of records) {
    const entry = decodeInboxEntry(data);
    if (entry.kind === 'messages') {
      const from = entry.from + offset;
      if (from > entry.to + 1) throw new MalformedBytes('a sync token goes further into a record than it is long');
      const count = Math.min(left, entry.to - from + 1);
      if (count > 0) {
        pointers.push({ ...entry, from: sequenceId(from), to: sequenceId(from + count - 1) });
        slots.add(entry.slot);
      }
      left -= count;
      if (from + count <= entry.to) {
        const inside = { position: { gen, seq: sequenceId(seq - 1) }, offset: offset + count };
        return { slots: [...slots], pointers, next: inside, complete: false };
      }
    } else if (entry.kind === 'read') {
      slots.add(entry.slot);
    }
    offset = 0;
    position = { gen, seq };
  }
  return { slots: [...slots], pointers, next: { position, offset }, complete: true };
}

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
