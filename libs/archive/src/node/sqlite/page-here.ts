import { invariant, ok, type ConversationId, type Result } from '@millrace/kernel';
import type { RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { ChunkDamaged } from '../../archive-errors.ts';
import { planRead } from '../../read-plan.ts';
import { unpackedBytesOf } from '../chunk-codec.ts';
import { holding, pageInRows, type PlannedRows } from '../stored-rows.ts';
import type { FoundRows } from './chunk-cache.ts';

/** The event loop waits for what is unpacked on it: no more than so many bytes at once. */
const UNPACKED_BYTES_MAX = 256 * 1024;
/** A page keeps no more memory from being freed than so many times its own. */
const HELD_TIMES_MAX = 3;

/** What a query needs of rows that were found for it. */
export function plannedIn({ spans, held }: FoundRows, query: RangeQuery): readonly PlannedRows[] {
  return planRead(spans, query).map((span) => {
    const archived = spans.find(({ gen }) => gen === span.gen);
    const found = held.find(({ gen }) => gen === span.gen);
    invariant(archived !== undefined && found !== undefined, 'rows are found for what a query is planned over');
    return { archived, span, rows: holding(found.rows, span) };
  });
}

/** The page that rows hold; null when it is too much to be unpacked here. */
export function pageHere(
  conversation: ConversationId,
  parts: readonly PlannedRows[],
  direction: RangeQuery['direction'],
): Result<readonly TimelineEntry[], ChunkDamaged> | null {
  let unpacked = 0;
  for (const { rows } of parts) for (const { bytes } of rows) unpacked += unpackedBytesOf(bytes);
  if (unpacked > UNPACKED_BYTES_MAX) return null;
  const page = pageInRows(conversation, parts, direction);
  if (!page.ok) return page;
  const bytes = page.value.reduce((sum, { data }) => sum + data.length, 0);
  return unpacked > HELD_TIMES_MAX * bytes ? ok(copied(page.value, bytes)) : page;
}

/** The same entries in memory of their own: they are views into all that was unpacked. */
function copied(page: readonly TimelineEntry[], bytes: number): readonly TimelineEntry[] {
  const own = new Uint8Array(bytes);
  let at = 0;
  return page.map((entry) => {
    own.set(entry.data, at);
    at += entry.data.length;
    return { ...entry, data: own.subarray(at - entry.data.length, at) };
  });
}
