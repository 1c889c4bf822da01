import { resolve } from 'node:path';
import {
  ok,
  systemRandom,
  systemTimers,
  type ConversationId,
  type Random,
  type Result,
  type Timers,
} from '@millrace/kernel';
import { FileThread, type FileThreadLimits } from '@millrace/sqlite-file';
import type { GenerationSpan, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { ArchiveOpenError, ArchiveUnavailable, ChunkDamaged } from '../../archive-errors.ts';
import type {
  AppendOutcome,
  ArchiveChunk,
  ArchiveHealth,
  ArchiveStats,
  ArchiveStore,
  Erased,
  Erasure,
} from '../../archive-store.ts';
import { checkChainLimit, checkChunks, checkErasures, checkLimit } from '../../bounds.ts';
import type { ChainPage } from '../../chain.ts';
import { ChunkCache, type FoundRows, type Touched } from './chunk-cache.ts';
import { archiveNamed, pack, packChunk, unpackedPage, type FileCalls, type ThreadTask } from './file-calls.ts';
import { pageHere, plannedIn } from './page-here.ts';

export interface SqliteArchiveOptions {
  /** The file; made when it is missing. Beside it come `-wal`, `-shm`, `.lock` and `.owner`. A local disk, no network. */
  readonly path: string;
  /** The bundled program of its threads: `archive-worker.mjs`, beside the server's. */
  readonly program: URL;
  readonly limits?: Partial<FileThreadLimits>;
  /** What is kept in memory of what was read, as it is stored; 0 keeps nothing. */
  readonly cacheBytesMax?: number;
  readonly random?: Random;
  readonly timers?: Timers;
}

const defaultLimits: FileThreadLimits = { pendingMax: 1_000, answerMsMax: 60_000 };
const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** A longer page is unpacked by the thread. */
const PAGE_HERE_MAX = 200;

/**
 * The embedded archive: one SQLite file, of one process. Two threads have it open, one that writes and one that reads,
 * so that a page waits neither for the disk's syncs nor for whoever archives, and sockets wait for neither. Rows that were
 * read are kept here, as they are stored: a short page out of them needs no thread.
 *
 * What was erased is overwritten in the file, and out of its log, when `erase` answers; if a page was read at the same
 * moment, out of the log with the next erasure or when the archive is closed.
 */
export class SqliteArchive implements ArchiveStore {
  readonly #path: string;
  readonly #writer: FileThread<FileCalls>;
  readonly #reader: FileThread<FileCalls>;
  readonly #cache: ChunkCache | null;

  private constructor(
    path: string,
    writer: FileThread<FileCalls>,
    reader: FileThread<FileCalls>,
    cacheBytesMax: number,
  ) {
    this.#path = path;
    this.#writer = writer;
    this.#reader = reader;
    this.#cache = cacheBytesMax === 0 ? null : new ChunkCache(cacheBytesMax);
  }

  static async open(options: SqliteArchiveOptions): Promise<Result<SqliteArchive, ArchiveOpenError>> {
    const { program, cacheBytesMax = CACHE_BYTES_MAX, random = systemRandom, timers = systemTimers } = options;
    const path = resolve(options.path);
    const limits = { ...defaultLimits, ...options.limits };
    const newIdentity = random.id();
    const start = (role: ThreadTask['role']) => {
      const task: ThreadTask = { path, newIdentity, role };
      const how = { file: archiveNamed(path), program, name: `archive-${role}`, task, limits, timers };
      return FileThread.start<FileCalls, ArchiveOpenError>(how);
    };
    const writer = await start('writer');
    if (!writer.ok) return writer;
    const reader = await start('reader');
    if (reader.ok) return ok(new SqliteArchive(path, writer.value, reader.value, cacheBytesMax));
    await writer.value.close();
    return reader;
  }

  async append(chunks: readonly ArchiveChunk[]): Promise<Result<readonly AppendOutcome[], ArchiveUnavailable>> {
    checkChunks(chunks);
    const packed = chunks.map(packChunk);
    const memory = packed.map((chunk) => chunk.packed.bytes.buffer);
    const conversations = new Set(chunks.map(({ conversation }) => conversation));
    return this.#written({ kind: 'ends', conversations }, () => this.#writer.call('append', [packed], memory));
  }

  async read(
    conversation: ConversationId,
    query: RangeQuery,
  ): Promise<Result<readonly TimelineEntry[], ChunkDamaged | ArchiveUnavailable>> {
    checkLimit(query.limit);
    if (this.#cache !== null && query.limit <= PAGE_HERE_MAX) {
      const page = await this.#here(this.#cache, conversation, query);
      if (page !== null) return page;
    }
    const read = await this.#reader.call('read', [conversation, query]);
    if (!read.ok) return read;
    return unpackedPage(read.value, query.direction);
  }

  /** A page out of what is kept, or of rows that the thread finds; null where only the thread can tell. */
  async #here(
    cache: ChunkCache,
    conversation: ConversationId,
    query: RangeQuery,
  ): Promise<Result<readonly TimelineEntry[], ChunkDamaged | ArchiveUnavailable> | null> {
    const kept = cache.rowsOf(conversation, query);
    if (kept !== null) {
      const page = pageHere(conversation, kept, query.direction);
      if (page?.ok === true) return page;
      // It would not fit the next time, either.
      if (page !== null) cache.forget(conversation);
      return null;
    }
    const reading = cache.reading(conversation);
    let found: FoundRows | null = null;
    try {
      const answer = await this.#reader.call('rows', [conversation, query]);
      if (!answer.ok) return answer;
      if (answer.value.kind === 'page') return unpackedPage(answer.value.page, query.direction);
      const page = pageHere(conversation, plannedIn(answer.value, query), query.direction);
      if (page?.ok === false) return null;
      found = answer.value;
      return page;
    } finally {
      cache.read(reading, found);
    }
  }

  async #written<T>(
    touched: Touched,
    write: () => Promise<Result<T, ArchiveUnavailable>>,
  ): Promise<Result<T, ArchiveUnavailable>> {
    if (this.#cache === null) return write();
    const number = this.#cache.writing();
    let isAnswered = false;
    try {
      const outcome = await write();
      isAnswered = outcome.ok;
      return outcome;
    } finally {
      this.#cache.written(number, isAnswered, touched);
    }
  }

  async at(
    conversation: ConversationId,
    position: Position,
  ): Promise<Result<TimelineEntry | null, ChunkDamaged | ArchiveUnavailable>> {
    const read = await this.read(conversation, { from: position, to: position, limit: 1, direction: 'forward' });
    return read.ok ? ok(read.value[0] ?? null) : read;
  }

  extent(conversation: ConversationId): Promise<Result<readonly GenerationSpan[], ArchiveUnavailable>> {
    return this.#reader.call('extent', [conversation]);
  }

  async erase(
    conversation: ConversationId,
    erasures: readonly Erasure[],
  ): Promise<Result<Erased, ChunkDamaged | ArchiveUnavailable>> {
    checkErasures(erasures);
    const packed = erasures.map(({ gen, seq, tombstones }) => ({ gen, seq, packed: pack(tombstones) }));
    const memory = packed.map((erasure) => erasure.packed.bytes.buffer);
    const touched = { kind: 'all', conversation } as const;
    const erase = () => this.#writer.call('erase', [conversation, packed], memory);
    const outcome = await this.#written(touched, erase);
    return outcome.ok ? outcome.value : outcome;
  }

  async chain(
    conversation: ConversationId,
    after: Position | null,
    limit: number,
  ): Promise<Result<ChainPage, ArchiveUnavailable>> {
    checkChainLimit(limit);
    return this.#reader.call('chain', [conversation, after, limit]);
  }

  trim(conversation: ConversationId, before: Position): Promise<Result<void, ArchiveUnavailable>> {
    return this.#written({ kind: 'all', conversation }, () => this.#writer.call('trim', [conversation, before]));
  }

  drop(conversation: ConversationId): Promise<Result<void, ArchiveUnavailable>> {
    return this.#written({ kind: 'all', conversation }, () => this.#writer.call('drop', [conversation]));
  }

  identity(): Promise<Result<string, ArchiveUnavailable>> {
    return this.#reader.call('identity', []);
  }

  async health(): Promise<Result<ArchiveHealth, ArchiveUnavailable>> {
    const pending = this.#writer.pending + this.#reader.pending;
    const outcome = await this.#writer.call('health', []);
    return outcome.ok ? ok({ ...outcome.value, store: this.#path, pending }) : outcome;
  }

  stats(): Promise<Result<ArchiveStats, ArchiveUnavailable>> {
    return this.#reader.call('stats', []);
  }

  async close(): Promise<void> {
    this.#cache?.close();
    // The writer last: whoever closes last brings the log into the file.
    await this.#reader.close();
    await this.#writer.close();
  }
}
