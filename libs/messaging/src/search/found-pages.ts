import { PAGE_HITS_MAX, type SearchQuery } from '@millrace/search';
import { ANSWER_BYTES_MAX } from '../sync/read-messages.ts';
import { IndexStream, newestFirst, type IndexStreamParts, type Told } from './index-stream.ts';
import { byRelevance, byTime, type Match } from './match.ts';
import type { PageCursor } from './search-cursor.ts';
import { LIMIT_DEFAULT, type AskedQuery } from './search-query.ts';

/** Hits of the index that are looked at for one page: should so many have gone since, another page goes on behind them. */
const LOOKED_MAX = 1_000;

/** What is asked of the index, but for where a page goes on and how much at once. */
export type IndexQuery = Omit<SearchQuery, 'cursor' | 'behind' | 'limit' | 'sort'>;

export interface FoundPage {
  readonly matches: readonly Match[];
  readonly next: PageCursor | null;
}

type TimeCursor = Extract<PageCursor, { sort: 'time' }>;

const limitOf = ({ asked }: AskedQuery): number => asked.limit ?? LIMIT_DEFAULT;

/** As many, from the first on, as one answer may hold: bounded by number and by bytes (I9). */
class Page<T extends { readonly match: Match }> {
  readonly told: T[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns false when there was no room. */
  add(each: T): boolean {
    this.#bytes += each.match.entry.data.length;
    const isFull = this.told.length === this.#limit || (this.told.length > 0 && this.#bytes > ANSWER_BYTES_MAX);
    if (!isFull) this.told.push(each);
    return !isFull;
  }
}

/** Of those beside the index what comes behind a cursor. */
function besideBehind(beside: readonly Match[], cursor: TimeCursor | null): readonly Match[] {
  if (cursor === null) return beside;
  const { at, tail } = cursor;
  return beside.filter((match) => {
    if (match.at !== at) return match.at < at;
    return tail !== null && byTime({ ...tail, at, entry: tail }, match) < 0;
  });
}

/** A page by time. @param beside - the hits that are not from the index, the newest first. */
export async function pageByTime(
  parts: IndexStreamParts,
  query: AskedQuery,
  index: IndexQuery,
  beside: readonly Match[],
  cursor: TimeCursor | null,
): Promise<FoundPage> {
  const until = Math.min(index.until ?? Number.POSITIVE_INFINITY, cursor?.at ?? Number.POSITIVE_INFINITY);
  const first: SearchQuery = {
    ...index,
    ...(Number.isFinite(until) ? { until } : {}),
    ...(cursor === null || cursor.index === null ? {} : { behind: cursor.index }),
    sort: 'time',
    limit: Math.min(PAGE_HITS_MAX, limitOf(query) + 1),
  };
  const stream = new IndexStream(parts, first, LOOKED_MAX);
  const page = new Page<Told>(limitOf(query));
  let hasMore = false;
  // One more tells whether another page follows.
  for await (const told of newestFirst(stream, besideBehind(beside, cursor))) {
    hasMore = !page.add(told);
    if (hasMore) break;
  }
  const matches = page.told.map(({ match }) => match);
  if (hasMore) return { matches, next: cursorBehind(page.told, cursor) };
  const { cutAt } = stream;
  return { matches, next: cutAt === null ? null : { sort: 'time', index: placeOf(cutAt), at: cutAt.at, tail: null } };
}

type Placed = NonNullable<TimeCursor['index']>;
const placeOf = ({ at, conversation, seq }: Placed): Placed => ({ at, conversation, seq });

function cursorBehind(told: readonly Told[], before: TimeCursor | null): TimeCursor | null {
  const last = told.at(-1);
  if (last === undefined) return before;
  const { at, conversation, entry } = last.match;
  const fromIndex = told.findLast(({ isFromIndex }) => isFromIndex)?.match;
  const index =
    fromIndex === undefined
      ? (before?.index ?? null)
      : placeOf({ at: fromIndex.at, conversation: fromIndex.conversation, seq: fromIndex.entry.seq });
  return { sort: 'time', index, at, tail: last.isFromIndex ? null : { conversation, seq: entry.seq } };
}

/**
 * A page by relevance: all that the index tells of, and what lies beside it, in one order that goes by the messages as they
 * stand now.
 *
 * @param shown - how many were shown by the pages before.
 */
export async function pageByRelevance(
  { ask, check }: IndexStreamParts,
  query: AskedQuery,
  index: IndexQuery,
  beside: readonly Match[],
  shown: number,
): Promise<FoundPage> {
  const all: Match[] = [...beside];
  const first: SearchQuery = { ...index, sort: 'relevance', limit: PAGE_HITS_MAX };
  for (let asked: SearchQuery | null = first; asked !== null;) {
    const { hits, next } = await ask(asked);
    all.push(...(await check(hits)).filter((match) => match !== null));
    asked = next === null ? null : { ...first, cursor: next };
  }
  const page = new Page<{ readonly match: Match }>(limitOf(query));
  const rest = byRelevance(query, all).slice(shown);
  const hasMore = rest.some((match) => !page.add({ match }));
  const matches = page.told.map(({ match }) => match);
  return { matches, next: hasMore ? { sort: 'relevance', shown: shown + matches.length } : null };
}

/** How many there are, counted one by one. */
export interface FoundCounts {
  readonly total: number;
  /** False: there are more, which were not counted. */
  readonly exact: boolean;
  /** Most first. */
  readonly conversations: readonly { readonly conversation: Match['conversation']; readonly count: number }[];
}

/**
 * Counts hits as a page shows them, never as the index has them: a number would tell of what was taken back, otherwise. The
 * newest {@link LOOKED_MAX} of the index are counted.
 */
export async function countFound(
  parts: IndexStreamParts,
  index: IndexQuery,
  beside: readonly Match[],
): Promise<FoundCounts> {
  const stream = new IndexStream(parts, { ...index, sort: 'time', limit: PAGE_HITS_MAX }, LOOKED_MAX);
  const counts = new Map<Match['conversation'], number>();
  let total = 0;
  for await (const { match } of newestFirst(stream, beside)) {
    total += 1;
    counts.set(match.conversation, (counts.get(match.conversation) ?? 0) + 1);
  }
  const conversations = [...counts]
    .map(([conversation, count]) => ({ conversation, count }))
    .sort((one, other) => other.count - one.count || (one.conversation < other.conversation ? -1 : 1));
  return { total, exact: stream.cutAt === null, conversations };
}
