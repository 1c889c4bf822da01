import { sequenceId, type PartitionId, type SequenceId } from '@millrace/kernel';
import {
  comparePositions,
  StoreUnavailable,
  type ActorKey,
  type Position,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import { positionsOf, readDense } from '../sync/read-messages.ts';
import type { Place } from '../user/commands.ts';
import { decodeInboxEntry } from '../user/inbox-entry.ts';

/** Where in an inbox the pointer to a message is. */
export type InboxFound =
  | { readonly state: 'there'; readonly position: Position }
  | { readonly state: 'behind' | 'gone' | 'not_found' | 'unavailable' };

/** A part of an inbox, and from which end it is looked through. */
export interface SearchPart {
  readonly from: SequenceId;
  readonly to: SequenceId;
  readonly direction: 'forward' | 'backward';
}

/** Records that are looked at in each direction, at most. */
const RECORDS_MAX = 1_000;
const PAGE = 250;
/** How far clocks of two nodes may be apart, for the choice of where to look. */
const SKEW_MS = 10 * 60_000;

/**
 * Which parts of an inbox to look through for a message of that time: the newest records, newest first; then, when that is
 * not all, those of the day of the message. Together they need not be all of the inbox.
 */
export function searchParts({ head, oldest, days }: Place, atMs: number, most = RECORDS_MAX): readonly SearchPart[] {
  if (oldest > head.seq) return [];
  const recent = Math.max(oldest, head.seq - most + 1);
  const parts: SearchPart[] = [{ from: sequenceId(recent), to: head.seq, direction: 'backward' }];
  const day = days.findLast(([startMs]) => startMs <= atMs - SKEW_MS)?.[1] ?? oldest;
  const from = Math.max(oldest, day);
  const to = Math.min(recent - 1, from + most - 1);
  if (from <= to) parts.push({ from: sequenceId(from), to: sequenceId(to), direction: 'forward' });
  return parts;
}

/** Whether the parts are all that there is of the inbox. */
export function isWhole({ head, oldest }: Place, parts: readonly SearchPart[]): boolean {
  const looked = parts.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return looked >= head.seq - oldest + 1;
}

/** The record of these that points at the message. */
export function pointerAmong(records: readonly TimelineEntry[], slot: number, message: Position): Position | null {
  const found = records.find(({ data }) => {
    const entry = decodeInboxEntry(data);
    return (
      entry.kind === 'messages' &&
      entry.slot === slot &&
      entry.gen === message.gen &&
      entry.from <= message.seq &&
      entry.to >= message.seq
    );
  });
  return found === undefined ? null : { gen: found.gen, seq: found.seq };
}

/** Looks for a message in a user's inbox, through a bounded number of its records. */
export async function searchInbox(
  timelines: TimelineReader,
  at: { readonly partition: PartitionId; readonly actor: ActorKey },
  place: Place,
  message: Position,
  atMs: number,
): Promise<InboxFound> {
  const { listed, head } = place;
  if (listed === null || comparePositions(message, listed.applied) > 0) return { state: 'behind' };
  const parts = searchParts(place, atMs);
  try {
    for (const { from, to, direction } of parts) {
      for (let looked = 0; looked <= to - from; looked += PAGE) {
        const page =
          direction === 'forward'
            ? { from: sequenceId(from + looked), to: sequenceId(Math.min(to, from + looked + PAGE - 1)) }
            : { from: sequenceId(Math.max(from, to - looked - PAGE + 1)), to: sequenceId(to - looked) };
        const records = await readDense(timelines, at, positionsOf(head, page), direction);
        const position = pointerAmong(records, listed.slot, message);
        if (position !== null) return { state: 'there', position };
      }
    }
  } catch (error) {
    if (error instanceof StoreUnavailable) return { state: 'unavailable' };
    throw error;
  }
  return { state: isWhole(place, parts) ? 'gone' : 'not_found' };
}
