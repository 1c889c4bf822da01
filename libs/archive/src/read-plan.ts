import { err, invariant, ok, sequenceId, type ConversationId, type Result, type SequenceId } from '@millrace/kernel';
import type { GenerationSpan, RangeQuery, TimelineEntry } from '@millrace/timeline';
import { damaged, type ChunkDamaged } from './archive-errors.ts';
import type { ArchiveChunk } from './archive-store.ts';
import { lastOf } from './archived-chunk.ts';

/**
 * Which archived entries a query asks for: spans that are not empty, in the order of the query's direction, together
 * at most its `limit` entries.
 *
 * @param archived - what is archived of the conversation, lowest generation first.
 */
export function planRead(archived: readonly GenerationSpan[], query: RangeQuery): readonly GenerationSpan[] {
  const { from, to, limit, direction } = query;
  const planned: GenerationSpan[] = [];
  let room = limit;
  for (const { gen, first, last } of direction === 'forward' ? archived : [...archived].reverse()) {
    if (room === 0) break;
    if (gen < from.gen || gen > to.gen) continue;
    const low = gen === from.gen ? Math.max(first, from.seq) : first;
    const high = gen === to.gen ? Math.min(last, to.seq) : last;
    const count = Math.min(room, high - low + 1);
    if (count <= 0) continue;
    room -= count;
    planned.push(
      direction === 'forward'
        ? { gen, first: sequenceId(low), last: sequenceId(low + count - 1) }
        : { gen, first: sequenceId(high - count + 1), last: sequenceId(high) },
    );
  }
  return planned;
}

/**
 * The entries of one planned span, in rising seq.
 *
 * @param archived - all that is archived of its generation.
 * @param chunks - those that hold the span, in order, and whatever stands before and behind them.
 * @returns `damaged` when a chunk is missing, or one overlaps the one before: a page is dense or refused (I8).
 */
export function entriesOfSpan(
  conversation: ConversationId,
  archived: GenerationSpan,
  span: GenerationSpan,
  chunks: readonly ArchiveChunk[],
): Result<readonly TimelineEntry[], ChunkDamaged> {
  const { gen } = span;
  const entries: TimelineEntry[] = [];
  // Where the next chunk begins, as far as the ones before it tell.
  let begin: SequenceId | null = null;
  for (const chunk of chunks) {
    if (begin !== null && chunk.first !== begin) break;
    const last = lastOf(chunk);
    if (begin === null && chunk.first > span.first) break;
    begin = sequenceId(last + 1);
    const to = Math.min(last, span.last);
    for (let seq = Math.max(chunk.first, span.first); seq <= to; seq += 1) {
      const data = chunk.entries[seq - chunk.first];
      invariant(data !== undefined, 'a chunk holds what lies between its first and last seq');
      entries.push({ gen, seq: sequenceId(seq), data });
    }
  }
  if (entries.length === span.last - span.first + 1) return ok(entries);
  const key = { conversation, gen, first: begin ?? archived.first };
  return err(damaged(key, 'no chunk holds what was archived from there on'));
}
