import { generation, invariant, sequenceId, type ConversationId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import { within, type Connection } from '@millrace/sqlite-file';
import type { RowSize } from './rows-around.ts';

/** The record of one archived generation of a conversation. */
export interface SpanRow extends GenerationSpan {
  readonly id: number;
  /** Of its last chunk; null while that one has none. */
  readonly link: Uint8Array | null;
}

export interface ChunkRow {
  readonly id: number;
  readonly first: number;
  readonly bytes: Uint8Array;
}

type Row = Readonly<Record<string, unknown>>;

function numberOf(row: Row, column: string): number {
  const value = row[column];
  invariant(typeof value === 'number' && Number.isSafeInteger(value), `column ${column} holds a whole number`);
  return value;
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  invariant(value instanceof ArrayBuffer || value instanceof Uint8Array, `column ${column} holds bytes`);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
}

function spanOf(row: Row): SpanRow {
  return {
    id: numberOf(row, 'id'),
    gen: generation(numberOf(row, 'gen')),
    first: sequenceId(numberOf(row, 'first')),
    last: sequenceId(numberOf(row, 'last')),
    link: row['link'] === null ? null : bytesOf(row, 'link'),
  };
}

function chunkOf(row: Row): ChunkRow {
  return { id: numberOf(row, 'id'), first: numberOf(row, 'first'), bytes: bytesOf(row, 'bytes') };
}

/** Which rows hold the seqs from ?2 to ?3: that of the first seq is the last one that begins at it or before. */
const HOLDING = `WHERE span = ?1 AND first <= ?3
  AND first >= coalesce((SELECT max(first) FROM chunk WHERE span = ?1 AND first <= ?2), ?2)
  ORDER BY first`;

/** The statements on one connection, prepared once. */
export class ChunkRows {
  readonly #connection: Connection;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      spans: connection.prepare('SELECT id, gen, first, last, link FROM span WHERE conversation = ? ORDER BY gen'),
      chunks: connection.prepare(`SELECT id, first, bytes FROM chunk ${HOLDING}`),
      // What SQLite knows of a row without reading it.
      sizes: connection.prepare(`SELECT first, length(bytes) AS bytes FROM chunk ${HOLDING}`),
      chunksFrom: connection.prepare(
        `SELECT id, first, bytes FROM chunk
         WHERE span = ?1 AND first >= coalesce((SELECT max(first) FROM chunk WHERE span = ?1 AND first <= ?2), ?2)
         ORDER BY first LIMIT ?3`,
      ),
      chunk: connection.prepare('SELECT id, first, bytes FROM chunk WHERE span = ? AND first = ?'),
      totals: connection.prepare(
        `SELECT coalesce(sum(chunks), 0) AS chunks, coalesce(sum(last - first + 1), 0) AS entries,
           coalesce(sum(chunk_bytes), 0) AS chunk_bytes FROM span`,
      ),
      addSpan: connection.prepare(
        'INSERT INTO span (conversation, gen, first, last, chunks, chunk_bytes) VALUES (?, ?, ?, ?, 0, 0)',
      ),
      addChunk: connection.prepare('INSERT INTO chunk (span, first, bytes) VALUES (?, ?, ?)'),
      growSpan: connection.prepare(
        'UPDATE span SET last = ?, link = ?, chunks = chunks + 1, chunk_bytes = chunk_bytes + ? WHERE id = ?',
      ),
      changeChunk: connection.prepare('UPDATE chunk SET bytes = ? WHERE id = ?'),
      changeSpan: connection.prepare('UPDATE span SET chunk_bytes = chunk_bytes + ? WHERE id = ?'),
      lastBegin: connection.prepare('SELECT max(first) AS first FROM chunk WHERE span = ? AND first <= ?'),
      trimChunks: connection.prepare('DELETE FROM chunk WHERE span = ? AND first < ?'),
      trimSpan: connection.prepare(
        `UPDATE span SET first = ?2, chunks = (SELECT count(*) FROM chunk WHERE span = ?1),
           chunk_bytes = (SELECT coalesce(sum(length(bytes)), 0) FROM chunk WHERE span = ?1)
         WHERE id = ?1`,
      ),
      forgetChunks: connection.prepare('DELETE FROM chunk WHERE span = ?'),
      forgetSpan: connection.prepare('DELETE FROM span WHERE id = ?'),
      dropChunks: connection.prepare('DELETE FROM chunk WHERE span IN (SELECT id FROM span WHERE conversation = ?)'),
      dropSpans: connection.prepare('DELETE FROM span WHERE conversation = ?'),
    };
  }

  /** Runs `work` in one transaction, and takes everything back when it throws. */
  within<T>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T): T {
    return within(this.#connection, begin, work);
  }

  spans(conversation: ConversationId): readonly SpanRow[] {
    return (this.#statements.spans.all(conversation) as Row[]).map(spanOf);
  }

  /** Those that hold seqs from `low` to `high`, in order, with the one before them when the first of them is missing. */
  chunks(span: number, low: number, high: number): readonly ChunkRow[] {
    return (this.#statements.chunks.all(span, low, high) as Row[]).map(chunkOf);
  }

  /** The same, without their bytes. */
  sizes(span: number, low: number, high: number): readonly RowSize[] {
    const rows = this.#statements.sizes.all(span, low, high) as Row[];
    return rows.map((row) => ({ first: numberOf(row, 'first'), bytes: numberOf(row, 'bytes') }));
  }

  /** At most `limit` of them, in order, from the one on that holds a seq. */
  chunksFrom(span: number, seq: number, limit: number): readonly ChunkRow[] {
    return (this.#statements.chunksFrom.all(span, seq, limit) as Row[]).map(chunkOf);
  }

  chunk(span: number, first: number): ChunkRow | null {
    const [row] = this.#statements.chunk.all(span, first) as Row[];
    return row === undefined ? null : chunkOf(row);
  }

  totals(): { readonly chunks: number; readonly entries: number; readonly chunkBytes: number } {
    const [row = {}] = this.#statements.totals.all() as Row[];
    return {
      chunks: numberOf(row, 'chunks'),
      entries: numberOf(row, 'entries'),
      chunkBytes: numberOf(row, 'chunk_bytes'),
    };
  }

  addSpan(conversation: ConversationId, { gen, first, last }: GenerationSpan): SpanRow {
    const { lastInsertRowid } = this.#statements.addSpan.run(conversation, gen, first, last);
    return { id: Number(lastInsertRowid), gen, first, last, link: null };
  }

  /** @param link - of this chunk, which is the last one of its generation from now on. */
  addChunk(
    span: number,
    { first, last }: Pick<GenerationSpan, 'first' | 'last'>,
    bytes: Uint8Array,
    link: Uint8Array,
  ): void {
    this.#statements.addChunk.run(span, first, bytes);
    this.#statements.growSpan.run(last, link, bytes.length, span);
  }

  changeChunk(span: number, { id, bytes: former }: ChunkRow, bytes: Uint8Array): void {
    this.#statements.changeChunk.run(bytes, id);
    this.#statements.changeSpan.run(bytes.length - former.length, span);
  }

  /** Leaves the chunk that holds this seq, and those behind it. */
  trimSpan({ id, first }: SpanRow, seq: number): void {
    const [row = {}] = this.#statements.lastBegin.all(id, seq) as Row[];
    const kept = row['first'];
    if (typeof kept !== 'number' || kept <= first) return;
    this.#statements.trimChunks.run(id, kept);
    this.#statements.trimSpan.run(id, kept);
  }

  forgetSpan({ id }: SpanRow): void {
    this.#statements.forgetChunks.run(id);
    this.#statements.forgetSpan.run(id);
  }

  drop(conversation: ConversationId): void {
    this.#statements.dropChunks.run(conversation);
    this.#statements.dropSpans.run(conversation);
  }
}
