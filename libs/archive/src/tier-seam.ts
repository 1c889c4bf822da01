import { sequenceId } from '@millrace/kernel';
import {
  spansOf,
  type GenerationSpan,
  type RangeQuery,
  type TimelineEntry,
  type TimelineHead,
} from '@millrace/timeline';
import { planRead } from './read-plan.ts';

/**
 * What a hot Timeline lacks of a range: it holds the end of the Timeline, so what is missing is the range's beginning.
 *
 * @param hot - what it has of the range, in the order of the query.
 * @returns null when it lacks nothing that is to be looked for elsewhere.
 */
export function lackingOf(query: RangeQuery, hot: readonly TimelineEntry[]): RangeQuery | null {
  const { from, limit, direction } = query;
  const lowest = direction === 'forward' ? hot[0] : hot.at(-1);
  if (lowest === undefined) return query;
  if (lowest.seq <= from.seq) return null;
  const left = direction === 'forward' ? limit : limit - hot.length;
  if (left <= 0) return null;
  return { ...query, to: { gen: lowest.gen, seq: sequenceId(lowest.seq - 1) }, limit: left };
}

/**
 * What of it the archive may be asked for, in the order of the query. The head decides which generation an entry is of:
 * the archive may hold entries behind the end of one, which the hot Timeline has lost since.
 */
export function archivedSpans(head: TimelineHead, query: RangeQuery): readonly GenerationSpan[] {
  const { from, to } = query;
  const within = spansOf(head).map(({ gen, first, last }) => ({
    gen,
    first: sequenceId(Math.max(first, from.seq)),
    last: sequenceId(Math.min(last, to.seq)),
  }));
  return planRead(within, query);
}

/** Both parts of a range as one answer. */
export const joined = (
  { direction, limit }: RangeQuery,
  archived: readonly TimelineEntry[],
  hot: readonly TimelineEntry[],
): readonly TimelineEntry[] =>
  (direction === 'forward' ? [...archived, ...hot] : [...hot, ...archived]).slice(0, limit);
