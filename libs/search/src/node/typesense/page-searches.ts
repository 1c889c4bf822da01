import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { RELEVANCE_HITS_MAX, type SearchHit, type SearchPage, type SearchQuery } from '../../search-index.ts';
import type { Wanted } from '../../text/wanted.ts';
import { keyOf } from './encoded.ts';
import { queryFilters, scopeFilters } from './scope-filters.ts';
import { queryCodes } from './text-codes.ts';
import type { OneAnswer, OneSearch } from './typesense-server.ts';

/** Where a page by time goes on: behind this hit. By relevance: behind so many. */
export type Behind =
  | { readonly sort: 'time'; readonly at: number; readonly lane: number; readonly seq: number }
  | { readonly sort: 'relevance'; readonly shown: number };

/** The searches of a page: those that count, and those that bring hits; the same ones on a first page. */
export interface PageSearches {
  readonly counts: readonly OneSearch[];
  readonly hits: readonly OneSearch[];
}

/** A hit with what it is sorted by. */
export interface RankedHit {
  readonly hit: SearchHit;
  readonly lane: number;
  readonly textMatch: number;
}

const FIELDS = 'conversation_id,lane,seq,gen,rev,sender_id,type_name,at';

/** @param limit - one more than the page has, to tell whether another one follows. */
export function pageSearches(
  collection: string,
  query: SearchQuery,
  wanted: Wanted | null,
  behind: Behind | null,
): PageSearches {
  const filters = queryFilters(query, wanted);
  if (filters === null) return { counts: [], hits: [] };
  const isRanked = query.sort === 'relevance' && wanted !== null;
  const text =
    wanted === null
      ? { q: '*' }
      : {
          q: queryCodes(wanted, isRanked),
          query_by: 'words',
          prefix: wanted.beginning === null ? ('false' as const) : ('true' as const),
        };
  const sort_by = isRanked ? '_text_match:desc,at:desc,lane:desc' : 'at:desc,lane:desc,seq:desc';
  const scopes = query.scope === 'everything' ? ['kind:=message'] : scopeFilters(query.scope, filters.length + 8);
  const base = filters.join(' && ');
  const facets =
    query.facets === true && query.scope !== 'everything'
      ? { facet_by: 'conversation', max_facet_values: Math.max(1, query.scope.length) }
      : {};
  const search = (scope: string, per_page: number, more = ''): OneSearch => ({
    collection,
    ...text,
    filter_by: `${base}${more} && (${scope})`,
    include_fields: FIELDS,
    sort_by,
    page: 1,
    per_page,
  });
  const after = behind?.sort === 'time' ? afterFilter(behind) : '';
  const shown = behind?.sort === 'relevance' ? behind.shown : 0;
  const most = query.sort === 'time' ? query.limit + 1 : Math.min(RELEVANCE_HITS_MAX, shown + query.limit);
  if (after === '') {
    const both = scopes.map((scope) => ({ ...search(scope, most), ...facets }));
    return { counts: both, hits: both };
  }
  return {
    counts: scopes.map((scope) => ({ ...search(scope, 1), ...facets })),
    hits: scopes.map((scope) => search(scope, most, after)),
  };
}

const afterFilter = ({ at, lane, seq }: { readonly at: number; readonly lane: number; readonly seq: number }): string =>
  ` && (at:<${String(at)} || (at:=${String(at)} && (lane:<${String(lane)} || (lane:=${String(lane)} && seq:<${String(seq)}))))`;

export function hitsOf(answers: readonly OneAnswer[], sort: SearchQuery['sort']): readonly RankedHit[] {
  const ranked = answers.flatMap(({ hits = [] }) =>
    hits.map(({ document, text_match: textMatch = 0 }): RankedHit => {
      const number = (name: string): number => Number(document[name]);
      return {
        lane: number('lane'),
        textMatch: sort === 'relevance' ? textMatch : 0,
        hit: {
          conversation: String(document['conversation_id']) as ConversationId,
          gen: generation(number('gen')),
          seq: sequenceId(number('seq')),
          rev: number('rev'),
          sender: String(document['sender_id']) as UserId,
          type: String(document['type_name']),
          at: number('at'),
        },
      };
    }),
  );
  return ranked.sort(
    (one, other) =>
      other.textMatch - one.textMatch ||
      other.hit.at - one.hit.at ||
      other.lane - one.lane ||
      other.hit.seq - one.hit.seq,
  );
}

export const totalOf = (answers: readonly OneAnswer[]): number =>
  answers.reduce((sum, { found = 0 }) => sum + found, 0);

export function facetsOf(answers: readonly OneAnswer[], { scope }: SearchQuery): NonNullable<SearchPage['facets']> {
  const scoped = scope === 'everything' ? [] : scope;
  const names = new Map(scoped.map(({ conversation }) => [keyOf(conversation), conversation]));
  const counts = new Map<ConversationId, number>();
  for (const { facet_counts: facets = [] } of answers) {
    for (const { value, count } of facets.flatMap((facet) => facet.counts)) {
      const conversation = names.get(value);
      if (conversation !== undefined) counts.set(conversation, (counts.get(conversation) ?? 0) + count);
    }
  }
  return [...counts]
    .map(([conversation, count]) => ({ conversation, count }))
    .sort((one, other) => other.count - one.count || (one.conversation < other.conversation ? -1 : 1));
}
