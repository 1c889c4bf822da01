import { visibleRanges, type MembershipInterval } from '@millrace/diffusion';
import { sequenceId, type ConversationId, type PartitionId, type SequenceId } from '@millrace/kernel';
import { frameError, WireEntry, type FrameError } from '@millrace/protocol';
import {
  generationOf,
  keptFrom,
  spansOf,
  StoreUnavailable,
  type ActorKey,
  type ByteBudget,
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
  const first = keptFrom(head);
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

/** Why an entry cannot be told of that was there once; null for one that is kept, or never was. */
export function tooOldError(conversation: ConversationId, head: TimelineHead, seq: SequenceId): FrameError | null {
  const first = keptFrom(head);
  if (seq < 1 || seq >= first) return null;
  const message = `${String(seq)} is older than what ${conversation} keeps, which begins with ${String(first)}`;
  return frameError('gone', message, { from: first });
}

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

/**
 * Of a range within one generation, what the head says is neither lost nor too old to be kept: the range itself, a part of
 * it, or null.
 */
export function survivingPart(head: TimelineHead, range: EntryRange): EntryRange | null {
  const { gen } = range.from;
  const span = spansOf(head).find((each) => each.gen === gen);
  if (span === undefined || range.from.seq > span.last || range.to.seq < span.first) return null;
  if (range.from.seq >= span.first && range.to.seq <= span.last) return range;
  const [first, last] = [Math.max(range.from.seq, span.first), Math.min(range.to.seq, span.last)];
  return { from: { gen, seq: sequenceId(first) }, to: { gen, seq: sequenceId(last) } };
}

/**
 * The store answers, and lacks what it should have: entries that were let go since it was asked where the Timeline begins,
 * or that its end has lost and nobody has noticed yet. Who asks where things stand now can read on.
 */
export class EntriesMissing extends StoreUnavailable {}

/**
 * Reads a range of a Timeline, dense (I8): a page with a hole is read once more.
 *
 * @param budget - when it is spent the page may be a beginning of the range, or empty.
 *
 * Rejects with StoreUnavailable when the store cannot be asked, with EntriesMissing when it still answers with a hole.
 */
export async function readDense(
  timelines: TimelineReader,
  at: { readonly partition: PartitionId; readonly actor: ActorKey },
  { from, to }: EntryRange,
  direction: 'forward' | 'backward',
  budget?: ByteBudget,
): Promise<readonly TimelineEntry[]> {
  const count = to.seq - from.seq + 1;
  const start = direction === 'forward' ? from.seq : to.seq;
  const step = direction === 'forward' ? 1 : -1;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const query = { from, to, limit: count, direction, ...(budget === undefined ? {} : { budget }) };
    const entries = await timelines.range(at.partition, at.actor, query);
    const isWhole = entries.length === count || (budget?.isSpent === true && entries.length < count);
    if (isWhole && entries.every(({ seq }, index) => seq === start + step * index)) return entries;
  }
  throw new EntriesMissing(
    `entries ${String(from.seq)}..${String(to.seq)} of ${at.actor} cannot be read without a hole`,
  );
}

/** One entry that the head knows of. Rejects with EntriesMissing when it is not there, with StoreUnavailable as above. */
export async function readEntry(
  timelines: TimelineReader,
  at: { readonly partition: PartitionId; readonly actor: ActorKey },
  position: Position,
): Promise<TimelineEntry> {
  const entry = await timelines.at(at.partition, at.actor, position);
  if (entry === null) throw new EntriesMissing(`entry ${String(position.seq)} of ${at.actor} cannot be read`);
  return entry;
}

/** Bytes of entries in one answer, but for the first, which is always in it (I9). */
export const ANSWER_BYTES_MAX = 1_048_576;

/** As many of the entries, from the first on, as one answer may hold. */
export function withinBytes<T extends { readonly data: Uint8Array }>(entries: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = entries.findIndex(({ data }, index) => {
    bytes += data.length;
    return bytes > ANSWER_BYTES_MAX && index > 0;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

export const wireEntry = ({ gen, seq, data }: TimelineEntry): WireEntry => new WireEntry(gen, seq, data);
