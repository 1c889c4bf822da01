import { visibleRanges, type MembershipInterval } from '@millrace/diffusion';
import { sequenceId, type PartitionId, type SequenceId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import {
  generationOf,
  spansOf,
  StoreUnavailable,
  type ActorKey,
  type Position,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';

export interface PageQuery {
  readonly head: TimelineHead;
  readonly intervals: readonly MembershipInterval[];
  readonly direction: 'forward' | 'backward';
  /** Inclusive. */
  readonly from: SequenceId;
  readonly limit: number;
}

/** What of the query is to be read: ranges in the order of reading, `limit` entries together at most. */
export function planPage({ head, intervals, direction, from, limit }: PageQuery): {
  readonly ranges: readonly { readonly from: SequenceId; readonly to: SequenceId }[];
  readonly hasMore: boolean;
} {
  const first = spanStart(head);
  const whole = direction === 'forward' ? { from, to: head.seq } : { from: first, to: from };
  const bounded = { from: sequenceId(Math.max(whole.from, first)), to: sequenceId(Math.min(whole.to, head.seq)) };
  const visible = bounded.from > bounded.to ? [] : visibleRanges(intervals, bounded);
  const ordered = direction === 'forward' ? visible : [...visible].reverse();
  const ranges: { from: SequenceId; to: SequenceId }[] = [];
  let left = limit;
  for (const range of ordered) {
    if (left === 0) return { ranges, hasMore: true };
    const count = Math.min(left, range.to - range.from + 1);
    ranges.push(
      direction === 'forward'
        ? { from: range.from, to: sequenceId(range.from + count - 1) }
        : { from: sequenceId(range.to - count + 1), to: range.to },
    );
    left -= count;
    if (count < range.to - range.from + 1) return { ranges, hasMore: true };
  }
  return { ranges, hasMore: false };
}

/** The first entry that was ever stored. */
export const spanStart = (head: TimelineHead): SequenceId => head.past[0]?.first ?? head.first;

/** A run of entries by their first and last position. */
export interface EntryRange {
  readonly from: Position;
  readonly to: Position;
}

/** The positions of a range of seqs that the head knows of. @throws StoreUnavailable when it does not. */
export function positionsOf(
  head: TimelineHead,
  { from, to }: { readonly from: SequenceId; readonly to: SequenceId },
): EntryRange {
  const first = generationOf(head, from);
  const last = generationOf(head, to);
  if (first === null || last === null)
    throw new StoreUnavailable(`entries ${String(from)}..${String(to)} are not known`);
  return { from: { gen: first, seq: from }, to: { gen: last, seq: to } };
}

/** Of a range within one generation, what the head says is not lost: the range itself, its beginning, or null. */
export function survivingPart(head: TimelineHead, range: EntryRange): EntryRange | null {
  const { gen } = range.from;
  const span = spansOf(head).find((each) => each.gen === gen);
  if (span === undefined || range.from.seq > span.last) return null;
  return range.to.seq <= span.last ? range : { from: range.from, to: { gen, seq: span.last } };
}

/**
 * Reads a range of a Timeline, dense (I8): a page with a hole is read once more.
 *
 * Rejects with StoreUnavailable when the store cannot be asked, or still answers with a hole.
 */
export async function readDense(
  timelines: TimelineReader,
  at: { readonly partition: PartitionId; readonly actor: ActorKey },
  { from, to }: EntryRange,
  direction: 'forward' | 'backward',
): Promise<readonly TimelineEntry[]> {
  const count = to.seq - from.seq + 1;
  const start = direction === 'forward' ? from.seq : to.seq;
  const step = direction === 'forward' ? 1 : -1;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const entries = await timelines.range(at.partition, at.actor, { from, to, limit: count, direction });
    if (entries.length === count && entries.every(({ seq }, index) => seq === start + step * index)) return entries;
  }
  throw new StoreUnavailable(
    `entries ${String(from.seq)}..${String(to.seq)} of ${at.actor} cannot be read without a hole`,
  );
}

/** Bytes of entries in one answer, but for the first, which is always in it (I9). */
export const ANSWER_BYTES_MAX = 1_048_576;

/** As many of the entries, from the first on, as one answer may hold. */
export function withinBytes(entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
  let bytes = 0;
  const end = entries.findIndex(({ data }, index) => {
    bytes += data.length;
    return bytes > ANSWER_BYTES_MAX && index > 0;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

export const wireEntry = ({ gen, seq, data }: TimelineEntry): WireEntry => new WireEntry(gen, seq, data);
