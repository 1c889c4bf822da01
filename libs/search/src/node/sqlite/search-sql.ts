import { RELEVANCE_HITS_MAX, type FieldFilter, type SearchQuery } from '../../search-index.ts';
import type { Wanted } from '../../text/wanted.ts';
import type { IdRange } from './id-ranges.ts';
import { BLOCK_SEQS } from './schema.ts';
import { ALL, MENTION, numberTag, tagOf } from './tags.ts';
import { matchInOrder, matchOf } from './tokens.ts';

type Value = string | number;

/** A part of a statement with what stands for its question marks, in order. */
interface Part {
  readonly sql: string;
  readonly values: readonly Value[];
}

export type Statement = Part;

/** Where the messages to look at come from. */
export type Candidates =
  /** The index of words is asked for each range by itself: what lies outside costs nothing. */
  | { readonly kind: 'ranges'; readonly ranges: readonly IdRange[] }
  /** These few have the words, and are within the ranges. */
  | { readonly kind: 'ids'; readonly ids: readonly number[] };

/** Where a page goes on; the id of the last hit by time. */
export type After = { readonly at: number; readonly id: number } | { readonly shown: number } | null;

const RANGE = '(r.value ->> 0) AND (r.value ->> 1)';

function joined(parts: readonly Part[], between: string): Part {
  return { sql: parts.map(({ sql }) => sql).join(between), values: parts.flatMap(({ values }) => values) };
}

function sourceOf(candidates: Candidates, wanted: Wanted | null, { mentioning }: SearchQuery): Part {
  if (candidates.kind === 'ids') {
    return {
      sql: 'json_each(?) AS c CROSS JOIN message AS m ON m.id = c.value WHERE true',
      values: [JSON.stringify(candidates.ids)],
    };
  }
  const ranges = JSON.stringify(candidates.ranges);
  if (wanted !== null) {
    return {
      sql: `json_each(?) AS r CROSS JOIN words CROSS JOIN message AS m
            WHERE words MATCH ? AND words.rowid BETWEEN ${RANGE} AND m.id = words.rowid`,
      values: [ranges, matchOf(wanted)],
    };
  }
  if (mentioning !== undefined) {
    return {
      sql: `(SELECT DISTINCT t.message AS id FROM json_each(?) AS r CROSS JOIN tag AS t
             WHERE t.name = '${MENTION}' AND t.value IN (?, '${ALL}') AND t.message BETWEEN ${RANGE}) AS c
            CROSS JOIN message AS m ON m.id = c.id WHERE true`,
      values: [ranges, mentioning],
    };
  }
  return { sql: `json_each(?) AS r CROSS JOIN message AS m WHERE m.id BETWEEN ${RANGE}`, values: [ranges] };
}

function fieldPart(filter: FieldFilter): Part {
  const exists = 'EXISTS (SELECT 1 FROM tag AS t WHERE t.message = m.id AND t.name = ?';
  if ('is' in filter) {
    const { name, value } = tagOf(filter.name, filter.is);
    return { sql: `${exists} AND t.value = ?)`, values: [name, value] };
  }
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = filter;
  return { sql: `${exists} AND t.value BETWEEN ? AND ?)`, values: [numberTag(filter.name), min, max] };
}

function filtersOf({ senders, types, since, until, mentioning, fields = [] }: SearchQuery): readonly Part[] {
  const parts: Part[] = [{ sql: 'm.removed = 0', values: [] }];
  if (senders !== undefined) {
    const sql = 'm.sender IN (SELECT s.no FROM json_each(?) AS j JOIN sender AS s ON s.id = j.value)';
    parts.push({ sql, values: [JSON.stringify(senders)] });
  }
  if (types !== undefined) {
    parts.push({ sql: 'm.type IN (SELECT value FROM json_each(?))', values: [JSON.stringify(types)] });
  }
  if (since !== undefined) parts.push({ sql: 'm.at >= ?', values: [since] });
  if (until !== undefined) parts.push({ sql: 'm.at <= ?', values: [until] });
  if (mentioning !== undefined) {
    const sql = `EXISTS (SELECT 1 FROM tag AS t WHERE t.message = m.id AND t.name = '${MENTION}' AND t.value IN (?, '${ALL}'))`;
    parts.push({ sql, values: [mentioning] });
  }
  return [...parts, ...fields.map(fieldPart)];
}

/** 0 for a message that has the query in its order, 1 for the others. */
function tierPart(candidates: Candidates, wanted: Wanted | null, sort: SearchQuery['sort']): Part {
  const match = sort === 'relevance' && wanted !== null ? matchInOrder(wanted) : null;
  if (match === null) return { sql: '1', values: [] };
  if (candidates.kind === 'ids') {
    const sql = 'm.id NOT IN (SELECT rowid FROM words WHERE words MATCH ?)';
    return { sql, values: [match] };
  }
  const sql = `m.id NOT IN (SELECT words.rowid FROM json_each(?) AS r CROSS JOIN words
               WHERE words MATCH ? AND words.rowid BETWEEN ${RANGE})`;
  return { sql, values: [JSON.stringify(candidates.ranges), match] };
}

function pagePart(
  query: SearchQuery,
  after: After,
): { readonly where: Part; readonly order: string; readonly limit: Part } {
  if (query.sort === 'time') {
    // One more tells whether another page follows.
    const limit = { sql: 'LIMIT ?', values: [query.limit + 1] };
    const where =
      after !== null && 'at' in after
        ? { sql: '(at < ? OR (at = ? AND id < ?))', values: [after.at, after.at, after.id] }
        : { sql: 'true', values: [] };
    return { where, order: 'at DESC, id DESC', limit };
  }
  const shown = after !== null && 'shown' in after ? after.shown : 0;
  const most = Math.max(0, Math.min(query.limit, RELEVANCE_HITS_MAX - shown));
  const order = 'tier, length, at DESC, id DESC';
  return { where: { sql: 'true', values: [] }, order, limit: { sql: 'LIMIT ? OFFSET ?', values: [most, shown] } };
}

/**
 * One statement for a page, its total and its counts. Rows: total, facets (JSON pairs of conversation and count), and of each
 * hit conversation, seq, gen, rev, sender, type, at; those are null in the one row of an empty page.
 */
export function searchStatement(
  query: SearchQuery,
  wanted: Wanted | null,
  candidates: Candidates,
  after: After,
): Statement {
  const source = sourceOf(candidates, wanted, query);
  const tier = tierPart(candidates, wanted, query.sort);
  const filters = joined(filtersOf(query), ' AND ');
  const { where, order, limit } = pagePart(query, after);
  const facets =
    query.facets === true
      ? `(SELECT json_group_array(json_array(c.id, f.count))
          FROM (SELECT b.conversation AS no, count(*) AS count
                FROM hit JOIN block AS b ON b.no = hit.id / ${String(BLOCK_SEQS)} GROUP BY b.conversation) AS f
          JOIN conversation AS c ON c.no = f.no)`
      : 'NULL';
  const sql = `
    WITH hit (id, at, length, tier) AS MATERIALIZED (
      SELECT m.id, m.at, m.length, ${tier.sql} FROM ${source.sql} AND ${filters.sql}
    )
    SELECT t.total AS total, ${facets} AS facets, c.id AS conversation,
      b.high * ${String(BLOCK_SEQS)} + p.id % ${String(BLOCK_SEQS)} AS seq, m.gen AS gen, m.rev AS rev, s.id AS sender,
      m.type AS type, m.at AS at
    FROM (SELECT count(*) AS total FROM hit) AS t
    LEFT JOIN (SELECT * FROM hit WHERE ${where.sql} ORDER BY ${order} ${limit.sql}) AS p ON true
    LEFT JOIN message AS m ON m.id = p.id
    LEFT JOIN block AS b ON b.no = p.id / ${String(BLOCK_SEQS)}
    LEFT JOIN conversation AS c ON c.no = b.conversation
    LEFT JOIN sender AS s ON s.no = m.sender
    ORDER BY ${order
      .split(', ')
      .map((column) => `p.${column}`)
      .join(', ')}`;
  return { sql, values: [...tier.values, ...source.values, ...filters.values, ...where.values, ...limit.values] };
}
