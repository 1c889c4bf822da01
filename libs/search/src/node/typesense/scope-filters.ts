import { visibleOf } from '../../scope.ts';
import type { FieldFilter, ScopedConversation, SearchQuery } from '../../search-index.ts';
import type { Wanted } from '../../text/wanted.ts';
import { keyOf } from './encoded.ts';
import { textFilters } from './text-codes.ts';
import { ALL, fieldOf } from './typesense-documents.ts';

/** Typesense takes 100 operations in a filter by default; some are left for whoever counts otherwise. */
const OPERATIONS_MAX = 95;
/** Conversations in one condition. */
const LISTED_MAX = 500;
/** Ranges in one condition. */
const RANGES_MAX = 500;

const list = (values: readonly string[]): string => `[${values.join(',')}]`;

function fieldFilter(filter: FieldFilter): string {
  if ('is' in filter) {
    const [name, value] = fieldOf(filter.name, filter.is);
    return `${name}:=${String(value)}`;
  }
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = filter;
  return `n_${filter.name}:[${String(min)}..${String(max)}]`;
}

/** What a query asks beside its scope, a condition each. Null when nothing can be asked of any message. */
export function queryFilters(query: SearchQuery, wanted: Wanted | null): readonly string[] | null {
  const { senders, types, since, until, mentioning, fields = [] } = query;
  if (senders?.length === 0 || types?.length === 0) return null;
  return [
    'kind:=message',
    ...(senders === undefined ? [] : [`sender:=${list(senders.map(keyOf))}`]),
    ...(types === undefined ? [] : [`type:=${list(types.map(keyOf))}`]),
    ...(since === undefined ? [] : [`at:>=${String(since)}`]),
    ...(until === undefined ? [] : [`at:<=${String(until)}`]),
    ...(mentioning === undefined ? [] : [`mentions:=${list([mentioning, ALL].map(keyOf))}`]),
    ...fields.map(fieldFilter),
    ...(wanted === null ? [] : textFilters(wanted)),
  ];
}

/** Conversations of which the same seqs are visible. */
interface Group {
  readonly seqs: readonly string[];
  readonly keys: readonly string[];
}

function groupsOf(scope: readonly ScopedConversation[]): readonly Group[] {
  const bySeqs = new Map<string, { readonly seqs: readonly string[]; readonly keys: string[] }>();
  for (const scoped of scope) {
    const seqs = visibleOf(scoped).map(({ from, to }) => `${String(from)}..${String(to)}`);
    if (seqs.length === 0) continue;
    const name = seqs.join(',');
    const group = bySeqs.get(name) ?? { seqs, keys: [] };
    bySeqs.set(name, group);
    group.keys.push(keyOf(scoped.conversation));
  }
  return [...bySeqs.values()].flatMap(({ seqs, keys }) =>
    pieces(keys, LISTED_MAX).flatMap((some) => pieces(seqs, RANGES_MAX).map((part) => ({ keys: some, seqs: part }))),
  );
}

function pieces<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, at) => all.slice(at * most, (at + 1) * most));
}

/**
 * A scope as conditions, each for one search: together they are the scope, and no message is in two. Conversations of which
 * the same is visible share one, so that most scopes take few.
 *
 * @param operations - how many are left for the rest of the filter.
 */
export function scopeFilters(scope: readonly ScopedConversation[], operations: number): readonly string[] {
  // Two conditions each, with the signs between them.
  const groupsMax = Math.max(1, Math.floor((OPERATIONS_MAX - operations) / 4));
  return pieces(groupsOf(scope), groupsMax).map((groups) =>
    groups.map(({ seqs, keys }) => `(conversation:=${list(keys)} && seq:${list(seqs)})`).join(' || '),
  );
}
