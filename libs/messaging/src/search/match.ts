import type { ConversationId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { Place } from '@millrace/search';
import { matchOf, type AskedQuery } from './search-query.ts';
import { searchableOf, type Extraction } from './searchable.ts';

/** A message that is asked for, as it stands now. */
export interface Match {
  readonly conversation: ConversationId;
  readonly entry: WireEntry;
  readonly at: number;
  readonly text: string;
  /** Where the words stand in its text. */
  readonly places: readonly Place[];
}

/** @returns null for a message that is not asked for, or that nobody finds. */
export function matchIn(
  query: AskedQuery,
  extract: Extraction,
  conversation: ConversationId,
  entry: WireEntry,
): Match | null {
  const searchable = searchableOf(entry.message, extract);
  const places = searchable === null ? null : matchOf(query, searchable);
  if (searchable === null || places === null) return null;
  return { conversation, entry, at: searchable.at, text: searchable.text, places };
}

type Placed = Pick<Match, 'conversation' | 'at'> & { readonly entry: Pick<WireEntry, 'seq'> };

/** For sorting: the newest first, and one order for those of the same moment. */
export function byTime(one: Placed, other: Placed): number {
  if (one.at !== other.at) return other.at - one.at;
  if (one.conversation !== other.conversation) return one.conversation < other.conversation ? -1 : 1;
  return other.entry.seq - one.entry.seq;
}

/** For sorting: what fits best first, and of equals the newest. */
export function byRelevance({ text }: AskedQuery, matches: readonly Match[]): readonly Match[] {
  if (text === null) return [...matches].sort(byTime);
  const ranked = matches.map((match) => ({ match, rank: text.rankOf(match.text) }));
  ranked.sort(
    (one, other) =>
      one.rank.tier - other.rank.tier || one.rank.length - other.rank.length || byTime(one.match, other.match),
  );
  return ranked.map(({ match }) => match);
}
