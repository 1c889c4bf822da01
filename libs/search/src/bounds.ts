import { err, invariant, ok, type Result } from '@millrace/kernel';
import { badQuery, type BadQuery } from './search-errors.ts';
import {
  BATCH_CHANGES_MAX,
  FIELDS_MAX,
  FIELD_TEXT_MAX,
  MENTIONS_MAX,
  PAGE_HITS_MAX,
  QUERY_UNITS_MAX,
  QUERY_WORDS_MAX,
  SCOPE_MAX,
  TEXT_UNITS_MAX,
  THROUGH_MAX,
  type FieldValue,
  type IndexBatch,
  type SearchDocument,
  type SearchQuery,
} from './search-index.ts';
import { wantedOf, type Wanted } from './text/wanted.ts';

const NAME = /^[A-Za-z0-9_]{1,32}$/;
const AT_MAX = 8.64e15;

function checkValue(name: string, value: FieldValue): void {
  invariant(NAME.test(name), `a field cannot be called ${JSON.stringify(name.slice(0, 40))}`);
  if (typeof value === 'number') invariant(Number.isSafeInteger(value), `field ${name} is no whole number`);
  if (typeof value === 'string') invariant(value.length <= FIELD_TEXT_MAX, `field ${name} is too long`);
}

const isPosition = (gen: number, seq: number): boolean => gen >= 1 && seq >= 1;

function checkDocument({ gen, seq, rev, type, at, text, mentions, fields }: SearchDocument): void {
  invariant(isPosition(gen, seq) && Number.isSafeInteger(rev) && rev >= 0, 'a document stands at a position');
  invariant(NAME.test(type), `${JSON.stringify(type.slice(0, 40))} is no type of a message`);
  invariant(Number.isSafeInteger(at) && Math.abs(at) <= AT_MAX, 'a document has a time in milliseconds');
  invariant(text.length <= TEXT_UNITS_MAX, `a text of ${String(text.length)} units is too long`);
  invariant(mentions.length <= MENTIONS_MAX, `${String(mentions.length)} mentions are too many`);
  const named = Object.entries(fields);
  invariant(named.length <= FIELDS_MAX, `${String(named.length)} fields are too many`);
  for (const [name, value] of named) checkValue(name, value);
}

/** @throws InvariantViolation when a batch is over the bounds of the port: the caller's bug. */
export function checkBatch({ changes, cursor, through }: IndexBatch): void {
  invariant(changes.length <= BATCH_CHANGES_MAX, `${String(changes.length)} changes are too many for one batch`);
  invariant(through.length <= BATCH_CHANGES_MAX, `${String(through.length)} conversations are too many for one batch`);
  invariant(cursor.length >= 1 && cursor.length <= 256, 'a cursor has 1 to 256 characters');
  for (const change of changes) {
    if (change.kind === 'put') checkDocument(change.document);
    else if (change.kind === 'remove') invariant(isPosition(change.gen, change.seq), 'a removal names a position');
    else if (change.kind === 'cut') invariant(isPosition(change.gen, change.from), 'a cut names a position');
    else if (change.kind === 'erase') invariant(change.upTo >= 0, 'an erasure names the last entry that it is of');
  }
}

/** @throws InvariantViolation when too many are asked about at once. */
export function checkThrough(conversations: readonly unknown[]): void {
  invariant(
    conversations.length <= THROUGH_MAX,
    `${String(conversations.length)} conversations are too many to ask for`,
  );
}

/** @throws InvariantViolation when the scope is over the bounds of the port: the caller's bug. */
function checkScope({ scope, facets }: Pick<SearchQuery, 'scope' | 'facets'>): void {
  if (scope === 'everything') {
    invariant(facets !== true, 'hits of everything are not counted by conversation');
    return;
  }
  const names = new Set(scope.map(({ conversation }) => conversation));
  invariant(scope.length <= SCOPE_MAX, `${String(scope.length)} conversations are too many to search`);
  invariant(names.size === scope.length, 'a scope names a conversation once');
}

/** What a text wants, or why a person cannot search for it. */
export function wantedWithin(text: string, prefix: boolean): Result<Wanted, BadQuery> {
  if (text.length > QUERY_UNITS_MAX) {
    return err(badQuery(`The text to search for has ${String(text.length)} characters.`, 'Search for less.'));
  }
  const wanted = wantedOf(text, prefix);
  // Runs count by their characters: that is what they cost.
  const words = wanted.inOrder.reduce((sum, { places }) => sum + Math.max(1, Math.ceil(places.length / 4)), 0);
  if (words <= QUERY_WORDS_MAX) return ok(wanted);
  return err(badQuery(`The text to search for has ${String(words)} words.`, `Use up to ${String(QUERY_WORDS_MAX)}.`));
}

/**
 * Looks at a query before it is asked.
 *
 * @returns what it wants of the text, null for nothing; what a person may have typed wrong is a value.
 * @throws InvariantViolation when it is over the bounds of the port: the caller's bug.
 */
export function checkQuery(query: SearchQuery): Result<Wanted | null, BadQuery> {
  const { limit, text, prefix = true, fields = [], sort, cursor, behind } = query;
  checkScope(query);
  invariant(Number.isSafeInteger(limit) && limit >= 1 && limit <= PAGE_HITS_MAX, 'a page has 1 to 100 hits');
  const isBehind = behind === undefined || (sort === 'time' && cursor === undefined);
  invariant(isBehind, 'a page goes on behind a hit by time alone, and without a cursor');
  for (const filter of fields) checkValue(filter.name, 'is' in filter ? filter.is : (filter.min ?? filter.max ?? 0));
  return text === undefined ? ok(null) : wantedWithin(text, prefix);
}
