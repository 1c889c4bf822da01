import { resolve } from 'node:path';
import {
  ok,
  systemRandom,
  systemTimers,
  type ConversationId,
  type PartitionId,
  type Random,
  type Result,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import { FileThread, type FileThreadLimits } from '@millrace/sqlite-file';
import type { Position } from '@millrace/timeline';
import { checkBatch, checkQuery, checkThrough } from '../../bounds.ts';
import { decodeCursor, encodeCursor } from '../../page-cursor.ts';
import type {
  BadCursor,
  BadQuery,
  CursorMoved,
  NoRebuild,
  SearchOpenError,
  SearchUnavailable,
} from '../../search-errors.ts';
import {
  RELEVANCE_HITS_MAX,
  type IndexBatch,
  type IndexVersion,
  type SearchHealth,
  type SearchIndex,
  type SearchPage,
  type SearchQuery,
  type SearchStats,
} from '../../search-index.ts';
import { indexNamed, type Behind, type ReaderCalls, type ThreadTask, type WriterCalls } from './index-calls.ts';

export interface SqliteSearchOptions {
  /** Made when it is missing; a file for each version of the index lies in it. A local disk, no network. */
  readonly directory: string;
  /** The bundled program of its threads: `search-worker.mjs`, beside the server's. */
  readonly program: URL;
  readonly limits?: Partial<FileThreadLimits>;
  readonly random?: Random;
  readonly timers?: Timers;
}

const defaultLimits: FileThreadLimits = { pendingMax: 1_000, answerMsMax: 60_000 };

/** An outcome of a call whose answer is an outcome itself. */
const flat = <T, E, F>(outcome: Result<Result<T, E>, F>): Result<T, E | F> => (outcome.ok ? outcome.value : outcome);

/**
 * The embedded search index: SQLite files of one process. Two threads have them open, one that writes and one that reads,
 * so that a search waits neither for the disk nor for the indexer, and sockets wait for neither.
 */
export class SqliteSearch implements SearchIndex {
  readonly #directory: string;
  readonly #writer: FileThread<WriterCalls>;
  readonly #reader: FileThread<ReaderCalls>;
  readonly #random: Random;

  private constructor(
    directory: string,
    writer: FileThread<WriterCalls>,
    reader: FileThread<ReaderCalls>,
    random: Random,
  ) {
    this.#directory = directory;
    this.#writer = writer;
    this.#reader = reader;
    this.#random = random;
  }

  static async open(options: SqliteSearchOptions): Promise<Result<SqliteSearch, SearchOpenError>> {
    const { program, random = systemRandom, timers = systemTimers } = options;
    const directory = resolve(options.directory);
    const limits = { ...defaultLimits, ...options.limits };
    const newName = random.id();
    const how = (role: ThreadTask['role']) => {
      const task: ThreadTask = { directory, role, newName };
      return { file: indexNamed(directory), program, name: `search-${role}`, task, limits, timers };
    };
    const writer = await FileThread.start<WriterCalls, SearchOpenError>(how('writer'));
    if (!writer.ok) return writer;
    const reader = await FileThread.start<ReaderCalls, SearchOpenError>(how('reader'));
    if (reader.ok) return ok(new SqliteSearch(directory, writer.value, reader.value, random));
    await writer.value.close();
    return reader;
  }

  async apply(
    batch: IndexBatch,
    into: IndexVersion = 'live',
  ): Promise<Result<void, CursorMoved | NoRebuild | SearchUnavailable>> {
    checkBatch(batch);
    return flat(await this.#writer.call('apply', [batch, into]));
  }

  async cursor(
    partition: PartitionId,
    of: IndexVersion = 'live',
  ): Promise<Result<string | null, NoRebuild | SearchUnavailable>> {
    return flat(await this.#writer.call('cursor', [partition, of]));
  }

  async indexedThrough(
    conversations: readonly ConversationId[],
  ): Promise<Result<readonly (Position | null)[], SearchUnavailable>> {
    checkThrough(conversations);
    return this.#reader.call('indexedThrough', [conversations]);
  }

  async search(query: SearchQuery): Promise<Result<SearchPage, BadQuery | BadCursor | SearchUnavailable>> {
    const wanted = checkQuery(query);
    if (!wanted.ok) return wanted;
    const behind = behindOf(query);
    if (!behind.ok) return behind;
    const answer = await this.#reader.call('search', [{ query, wanted: wanted.value, behind: behind.value }]);
    if (!answer.ok) return answer;
    const hits = answer.value.hits.slice(0, query.limit);
    return ok({ ...answer.value, hits, next: nextOf(query, behind.value, answer.value) });
  }

  eraseConversation(conversation: ConversationId): Promise<Result<void, SearchUnavailable>> {
    return this.#writer.call('eraseConversation', [conversation]);
  }

  eraseSender(sender: UserId): Promise<Result<number, SearchUnavailable>> {
    return this.#writer.call('eraseSender', [sender]);
  }

  purge(): Promise<Result<void, SearchUnavailable>> {
    return this.#writer.call('purge', []);
  }

  beginRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#writer.call('beginRebuild', [this.#random.id()]);
  }

  async finishRebuild(): Promise<Result<void, NoRebuild | SearchUnavailable>> {
    const finished = flat(await this.#writer.call('finishRebuild', []));
    if (!finished.ok) return finished;
    const reopened = await this.#reader.call('reopen', []);
    return reopened.ok ? this.#writer.call('sweep', []) : reopened;
  }

  abandonRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#writer.call('abandonRebuild', []);
  }

  async health(): Promise<Result<SearchHealth, SearchUnavailable>> {
    const outcome = await this.#writer.call('health', []);
    return outcome.ok ? ok({ ...outcome.value, index: this.#directory }) : outcome;
  }

  stats(): Promise<Result<SearchStats, SearchUnavailable>> {
    return this.#writer.call('stats', []);
  }

  async close(): Promise<void> {
    // The writer last: whoever closes last brings the log into the file.
    await this.#reader.close();
    await this.#writer.close();
  }
}

function behindOf(query: SearchQuery): Result<Behind | null, BadCursor> {
  if (query.sort === 'relevance') {
    const decoded = decodeCursor(query, ['number']);
    if (!decoded.ok || decoded.value === null) return decoded.ok ? ok(null) : decoded;
    return ok({ sort: 'relevance', shown: Math.max(0, Number(decoded.value[0])) });
  }
  if (query.behind !== undefined) return ok({ sort: 'time', ...query.behind });
  const decoded = decodeCursor(query, ['number', 'string', 'number']);
  if (!decoded.ok || decoded.value === null) return decoded.ok ? ok(null) : decoded;
  const [at, conversation, seq] = decoded.value;
  return ok({ sort: 'time', at: Number(at), conversation: String(conversation), seq: Number(seq) });
}

/** Where the next page goes on; null when there is none. By time there is one hit more than the page has, then. */
function nextOf(query: SearchQuery, behind: Behind | null, { hits, total }: Omit<SearchPage, 'next'>): string | null {
  if (query.sort === 'time') {
    const last = hits[query.limit - 1];
    if (last === undefined || hits.length <= query.limit) return null;
    return encodeCursor(query, [last.at, last.conversation, last.seq]);
  }
  const shown = (behind?.sort === 'relevance' ? behind.shown : 0) + hits.length;
  return hits.length > 0 && shown < Math.min(total, RELEVANCE_HITS_MAX) ? encodeCursor(query, [shown]) : null;
}
