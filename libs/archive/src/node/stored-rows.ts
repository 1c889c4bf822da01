import { err, ok, sequenceId, type ConversationId, type Generation, type Result } from '@millrace/kernel';
import type { GenerationSpan, RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { ChunkDamaged } from '../archive-errors.ts';
import type { Erasure } from '../archive-store.ts';
import type { ArchivedChunk } from '../archived-chunk.ts';
import { erasedIn } from '../erase-plan.ts';
import { entriesOfSpan } from '../read-plan.ts';
import { resealed } from './chain/seal.ts';
import { decodeChunk, encodeChunk } from './chunk-codec.ts';

/** A chunk as a store has it, of a conversation and a generation that are known. */
export interface StoredRow {
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** Those of `rows`, which are in order, that hold a span: from the last one that begins at it or before, to its end. */
export function holding<Row extends StoredRow>(rows: readonly Row[], { first, last }: GenerationSpan): readonly Row[] {
  const begin = rows.findLastIndex((row) => row.first <= first);
  return rows.slice(Math.max(0, begin)).filter((row) => row.first <= last);
}

function decoded(
  conversation: ConversationId,
  gen: Generation,
  rows: readonly StoredRow[],
): Result<readonly ArchivedChunk[], ChunkDamaged> {
  const chunks: ArchivedChunk[] = [];
  for (const { first, bytes } of rows) {
    const chunk = decodeChunk({ conversation, gen, first: sequenceId(first) }, bytes);
    if (!chunk.ok) return chunk;
    chunks.push(chunk.value);
  }
  return ok(chunks);
}

/**
 * The entries of one planned span, in rising seq.
 *
 * @param archived - all that is archived of its generation.
 * @param rows - those of the generation that hold the span, in order, and whatever stands around them.
 */
export function entriesInRows(
  conversation: ConversationId,
  archived: GenerationSpan,
  span: GenerationSpan,
  rows: readonly StoredRow[],
): Result<readonly TimelineEntry[], ChunkDamaged> {
  const chunks = decoded(conversation, span.gen, holding(rows, span));
  return chunks.ok ? entriesOfSpan(conversation, archived, span, chunks.value) : chunks;
}

/** One planned span, and what {@link entriesInRows} finds its entries in. */
export interface PlannedRows {
  readonly archived: GenerationSpan;
  readonly span: GenerationSpan;
  readonly rows: readonly StoredRow[];
}

/** The entries of planned spans, which are in the order of the direction. */
export function pageInRows(
  conversation: ConversationId,
  parts: readonly PlannedRows[],
  direction: RangeQuery['direction'],
): Result<readonly TimelineEntry[], ChunkDamaged> {
  const page: TimelineEntry[] = [];
  for (const { archived, span, rows } of parts) {
    const entries = entriesInRows(conversation, archived, span, rows);
    if (!entries.ok) return entries;
    page.push(...(direction === 'forward' ? entries.value : [...entries.value].reverse()));
  }
  return ok(page);
}

export interface ErasedRow<Row extends StoredRow> {
  readonly row: Row;
  /** What takes the place of its bytes. */
  readonly bytes: Uint8Array;
}

/**
 * What an erasure makes of the chunks of one generation; nothing, when one that it needs is damaged or missing.
 *
 * @param archived - all that is archived of the generation.
 * @param parts - of that, what the erasure meets.
 * @param rows - those that hold the parts, in order.
 */
export function erasedRows<Row extends StoredRow>(
  conversation: ConversationId,
  archived: GenerationSpan,
  parts: readonly GenerationSpan[],
  rows: readonly Row[],
  erasures: readonly Erasure[],
): Result<readonly ErasedRow<Row>[], ChunkDamaged> {
  for (const part of parts) {
    const dense = entriesInRows(conversation, archived, part, rows);
    if (!dense.ok) return err(dense.error);
  }
  const erased: ErasedRow<Row>[] = [];
  for (const row of rows) {
    const chunk = decodeChunk({ conversation, gen: archived.gen, first: sequenceId(row.first) }, row.bytes);
    if (!chunk.ok) return chunk;
    const changed = erasedIn(chunk.value, erasures);
    if (changed === null) continue;
    const { seal } = chunk.value;
    const whole = { ...changed, seal: seal === null ? null : resealed(chunk.value, seal, changed) };
    erased.push({ row, bytes: encodeChunk(whole) });
  }
  return ok(erased);
}
