import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, ok, sequenceId, type ConversationId, type Result } from '@millrace/kernel';
import {
  FileReplaced,
  fileNumberOf,
  isCorruption,
  lockFile,
  openReader,
  scalarOf,
  type Connection,
  type FileInUse,
} from '@millrace/sqlite-file';
import type { GenerationSpan, Position, RangeQuery } from '@millrace/timeline';
import { judgeAppend, judgeRepeat } from '../../append-decision.ts';
import { damaged, type ArchiveOpenError, type ChunkDamaged } from '../../archive-errors.ts';
import type { AppendOutcome, ArchiveHealth, ArchiveStats, ChunkKey, Erased } from '../../archive-store.ts';
import { endsBefore, type ArchivedChunk } from '../../archived-chunk.ts';
import { countOf, planErase } from '../../erase-plan.ts';
import { planRead } from '../../read-plan.ts';
import { continuedFrom, NO_LINK, type ChainPage } from '../../chain.ts';
import { chainPage, linkInRow } from '../chain/judge.ts';
import { decodeChunk, readyChunk, sealedChunk, type ReadyChunk } from '../chunk-codec.ts';
import { erasedRows, pageInRows } from '../stored-rows.ts';
import type { FoundRows, HeldRows } from './chunk-cache.ts';
import { ChunkRows, type ChunkRow, type SpanRow } from './chunk-rows.ts';
import {
  pack,
  unpack,
  type FileCalls,
  type PackedChunk,
  type PackedErasure,
  type PackedPage,
  type RowsAnswer,
  type ThreadTask,
} from './file-calls.ts';
import { openArchive } from './open-database.ts';
import { rowsAround } from './rows-around.ts';

/** Rows are read with a page up to so many seqs away from it, and up to so many bytes together. */
const AROUND_ENTRIES = 250;
const AROUND_BYTES_MAX = 64 * 1024;

const inUse = (path: string, { owner }: FileInUse): ArchiveOpenError => ({
  code: 'in_use',
  message: `The archive ${path} is open in ${owner}, and only one process may write it.`,
  whatToDo: 'Stop that process, give this one a file of its own, or keep the archive of several nodes in PostgreSQL.',
});

const plainSpan = ({ gen, first, last }: SpanRow): GenerationSpan => ({ gen, first, last });

function archivedOf(rows: readonly SpanRow[], { gen }: GenerationSpan): SpanRow {
  const archived = rows.find((row) => row.gen === gen);
  if (archived === undefined) throw new Error('a read is planned over what is archived');
  return archived;
}

/**
 * One connection to an archive file, and what is done on it. Synchronous, as the library is: it runs in threads of its
 * own. Throws what SQLite throws; a transaction that was not committed has left nothing.
 *
 * (F1) An append, an erasure, a trim and a drop are one transaction each, and it is on the disk before the call returns.
 * (F2) What a read is refused for was found in one transaction: spans and chunks are of one moment.
 */
export class ArchiveFile implements FileCalls {
  readonly #path: string;
  readonly #connection: Connection;
  readonly #unlock: () => void;
  readonly #rows: ChunkRows;
  readonly #fileNumber: number | undefined;

  private constructor(path: string, connection: Connection, unlock: () => void) {
    this.#path = path;
    this.#connection = connection;
    this.#unlock = unlock;
    this.#rows = new ChunkRows(connection);
    this.#fileNumber = fileNumberOf(path);
  }

  static open({ path, role, newIdentity }: ThreadTask): Result<ArchiveFile, ArchiveOpenError> {
    if (role === 'reader') return ok(new ArchiveFile(path, openReader(path), () => undefined));
    mkdirSync(dirname(path), { recursive: true });
    const locked = lockFile(path);
    if (!locked.ok) return err(inUse(path, locked.error));
    try {
      const opened = openArchive(path, newIdentity);
      if (opened.ok) return ok(new ArchiveFile(path, opened.value, locked.value));
      locked.value();
      return opened;
    } catch (error) {
      locked.value();
      throw error;
    }
  }

  close(): void {
    this.#connection.close();
    this.#unlock();
  }

  append(chunks: readonly PackedChunk[]): readonly AppendOutcome[] {
    this.#mustBeTheFile();
    // Compressed before the transaction, so that the file is locked for no longer than it must be.
    const ready = chunks.map(({ packed, ...key }) => readyChunk({ ...key, entries: unpack(packed) }));
    return this.#rows.within('BEGIN IMMEDIATE', () => ready.map((one) => this.#appendOne(one)));
  }

  #appendOne(ready: ReadyChunk): AppendOutcome {
    const { chunk } = ready;
    const { conversation, gen, first } = chunk;
    const spans = this.#rows.spans(conversation);
    const archived = spans.find((span) => span.gen === gen);
    const verdict = judgeAppend(chunk, spans.map(plainSpan));
    if (verdict.kind === 'refuse') return err(verdict.error);
    if (verdict.kind === 'compare') {
      if (archived === undefined) throw new Error('only what is archived is compared with');
      const there = this.#chunkAt({ conversation, gen, first }, archived);
      if (there !== null && !there.ok) return there;
      const judged = judgeRepeat(chunk, verdict.archived, there === null ? null : there.value);
      return judged === 'already' ? ok(judged) : err(judged);
    }
    const { last } = verdict.span;
    const before = archived === undefined ? this.#continuedLink(chunk, spans) : (archived.link ?? NO_LINK);
    const { bytes, link } = sealedChunk(ready, before);
    const span = archived ?? this.#rows.addSpan(conversation, verdict.span);
    this.#rows.addChunk(span.id, { first, last }, bytes, link);
    return ok('stored');
  }

  read(conversation: ConversationId, query: RangeQuery): Result<PackedPage, ChunkDamaged> {
    try {
      // Without a transaction first, which costs as much as the rest. A drop in between leaves a page that does not fit.
      const page = this.#page(conversation, query);
      return page.ok ? page : this.#rows.within('BEGIN', () => this.#page(conversation, query));
    } catch (error) {
      if (!isCorruption(error)) throw error;
      const { gen, seq } = query.from;
      return err(damaged({ conversation, gen, first: sequenceId(Math.max(1, seq)) }, 'its file is not sound any more'));
    }
  }

  #page(conversation: ConversationId, query: RangeQuery): Result<PackedPage, ChunkDamaged> {
    const rows = this.#rows.spans(conversation);
    const spans = planRead(rows, query);
    const parts = spans.map((span) => {
      const archived = archivedOf(rows, span);
      return { archived, span, rows: this.#rows.chunks(archived.id, span.first, span.last) };
    });
    const page = pageInRows(conversation, parts, query.direction);
    return page.ok ? ok({ spans, packed: pack(page.value.map(({ data }) => data)) }) : page;
  }

  rows(conversation: ConversationId, query: RangeQuery): RowsAnswer {
    try {
      // Without a transaction, too: who asked sees what does not fit, and asks for the page.
      const found = this.#rowsAround(conversation, query);
      if (found !== null) return { kind: 'rows', ...found };
    } catch (error) {
      if (!isCorruption(error)) throw error;
    }
    return { kind: 'page', page: this.read(conversation, query) };
  }

  #rowsAround(conversation: ConversationId, query: RangeQuery): FoundRows | null {
    const rows = this.#rows.spans(conversation);
    const planned = planRead(rows, query);
    const held: HeldRows[] = [];
    for (const span of planned) {
      const { id, first, last } = archivedOf(rows, span);
      const low = sequenceId(Math.max(first, span.first - AROUND_ENTRIES));
      const high = sequenceId(Math.min(last, span.last + AROUND_ENTRIES));
      const listed = this.#rows.sizes(id, low, high);
      const listing = { gen: span.gen, first: low, last: high };
      const around = rowsAround(listed, listing, span, AROUND_BYTES_MAX / planned.length);
      if (around === null) return null;
      const chunks = this.#rows.chunks(id, around.first, around.last);
      held.push({ ...around, rows: chunks.map(({ first, bytes }) => ({ first, bytes })) });
    }
    return { spans: rows.map(plainSpan), held };
  }

  chain(conversation: ConversationId, after: Position | null, limit: number): ChainPage {
    return this.#rows.within('BEGIN', () => {
      const walk = chainPage(conversation, this.#rows.spans(conversation), after, limit);
      let step = walk.next();
      while (step.done !== true) {
        const { span, seq, limit } = step.value;
        step = walk.next(this.#rows.chunksFrom(span.id, seq, limit));
      }
      return step.value;
    });
  }

  /** The link of what stands before a generation that begins with this chunk. */
  #continuedLink(chunk: ChunkKey, spans: readonly SpanRow[]): Uint8Array {
    const earlier = continuedFrom(spans, chunk);
    if (earlier === null) return NO_LINK;
    const { span, seq } = earlier;
    return linkInRow(chunk.conversation, { gen: span.gen, seq }, this.#rows.chunksFrom(span.id, seq, 1)[0]);
  }

  extent(conversation: ConversationId): readonly GenerationSpan[] {
    return this.#rows.spans(conversation).map(plainSpan);
  }

  erase(conversation: ConversationId, packed: readonly PackedErasure[]): Result<Erased, ChunkDamaged> {
    this.#mustBeTheFile();
    const erasures = packed.map(({ gen, seq, packed }) => ({ gen, seq, tombstones: unpack(packed) }));
    const outcome = this.#rows.within('BEGIN IMMEDIATE', (): Result<Erased, ChunkDamaged> => {
      const rows = this.#rows.spans(conversation);
      const { archived, missing } = planErase(rows.map(plainSpan), erasures);
      // All are read before the first is written: a damaged one leaves everything as it was.
      const changes: { readonly span: number; readonly row: ChunkRow; readonly bytes: Uint8Array }[] = [];
      for (const span of rows) {
        const parts = archived.filter(({ gen }) => gen === span.gen);
        const held = new Map<number, ChunkRow>();
        for (const { first, last } of parts)
          for (const row of this.#rows.chunks(span.id, first, last)) held.set(row.first, row);
        const inOrder = [...held.values()].sort((one, other) => one.first - other.first);
        const erased = erasedRows(conversation, span, parts, inOrder, erasures);
        if (!erased.ok) return erased;
        changes.push(...erased.value.map(({ row, bytes }) => ({ span: span.id, row, bytes })));
      }
      for (const { span, row, bytes } of changes) this.#rows.changeChunk(span, row, bytes);
      return ok({ entries: countOf(archived), missing });
    });
    this.#emptyLog();
    return outcome;
  }

  trim(conversation: ConversationId, before: Position): void {
    this.#mustBeTheFile();
    this.#rows.within('BEGIN IMMEDIATE', () => {
      for (const span of this.#rows.spans(conversation)) {
        if (endsBefore(span, before)) this.#rows.forgetSpan(span);
        else if (span.gen === before.gen) this.#rows.trimSpan(span, before.seq);
      }
    });
    this.#emptyLog();
  }

  drop(conversation: ConversationId): void {
    this.#mustBeTheFile();
    this.#rows.within('BEGIN IMMEDIATE', () => {
      this.#rows.drop(conversation);
    });
    this.#emptyLog();
  }

  identity(): string {
    return String(scalarOf(this.#connection, 'SELECT identity FROM archive'));
  }

  health(): Pick<ArchiveHealth, 'writable'> {
    this.#mustBeTheFile();
    try {
      this.#rows.within('BEGIN IMMEDIATE', () => undefined);
      return { writable: true };
    } catch {
      return { writable: false };
    }
  }

  stats(): ArchiveStats {
    const pages = Number(scalarOf(this.#connection, 'PRAGMA page_count'));
    const pageBytes = Number(scalarOf(this.#connection, 'PRAGMA page_size'));
    const logBytes = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    return { ...this.#rows.totals(), diskBytes: pages * pageBytes + logBytes };
  }

  /** A file that was deleted or moved goes on to take writes, which nobody finds again. */
  #mustBeTheFile(): void {
    if (fileNumberOf(this.#path) !== this.#fileNumber) throw new FileReplaced('the file was moved or deleted');
  }

  /** So that what was erased is not in the log any more either. While somebody reads, the next one does it. */
  #emptyLog(): void {
    this.#connection.pragma('wal_checkpoint(TRUNCATE)');
  }

  #chunkAt(key: ChunkKey, span: SpanRow): Result<ArchivedChunk, ChunkDamaged> | null {
    const row = this.#rows.chunk(span.id, key.first);
    return row === null ? null : decodeChunk(key, row.bytes);
  }
}
