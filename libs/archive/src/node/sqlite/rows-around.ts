import { sequenceId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';

/** A row of a chunk, before its bytes are read. */
export interface RowSize {
  readonly first: number;
  readonly bytes: number;
}

/**
 * What to read with a span: its rows, and those on both sides in turn for as long as they are small. Whoever reads a page
 * mostly goes on to the next one, and rows of short messages cost next to nothing beside the way to the thread.
 *
 * @param listed - the rows that hold `listing`, in order.
 * @param listing - a span around `span`.
 * @returns what the rows hold; null when those of the span alone are over `bytesMax`, or are not there.
 */
export function rowsAround(
  listed: readonly RowSize[],
  listing: GenerationSpan,
  span: GenerationSpan,
  bytesMax: number,
): GenerationSpan | null {
  let begin = Math.max(
    0,
    listed.findLastIndex(({ first }) => first <= span.first),
  );
  let end = listed.findLastIndex(({ first }) => first <= span.last);
  let bytes = listed.slice(begin, end + 1).reduce((sum, row) => sum + row.bytes, 0);
  if (end < begin || bytes > bytesMax) return null;
  const fits = (row: RowSize | undefined): boolean => {
    if (row === undefined || bytes + row.bytes > bytesMax) return false;
    bytes += row.bytes;
    return true;
  };
  for (let isGrown = true; isGrown;) {
    const [before, behind] = [fits(listed[begin - 1]), fits(listed[end + 1])];
    if (before) begin -= 1;
    if (behind) end += 1;
    isGrown = before || behind;
  }
  const next = listed[end + 1];
  const first = sequenceId(listed[begin]?.first ?? span.first);
  return { gen: span.gen, first, last: next === undefined ? listing.last : sequenceId(next.first - 1) };
}
