import {
  err,
  invariant,
  ok,
  systemRandom,
  type ConversationId,
  type Generation,
  type Random,
  type Result,
} from '@millrace/kernel';
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
import { endsBefore } from '../../archived-chunk.ts';
import { countOf, planErase } from '../../erase-plan.ts';
import { planRead } from '../../read-plan.ts';
import { entriesInRows, erasedRows, type ErasedRow, type StoredRow } from '../stored-rows.ts';
import { chainPage } from '../chain/judge.ts';
import { appendChunks, readyChunks } from './append-chunks.ts';
import { lockConversations } from './lock-conversations.ts';
import { postgresAddress } from './postgres-address.ts';
import { SCHEMA_NAME } from './schema.ts';
import { Sessions, defaultPostgresLimits, type Ask, type PostgresLimits } from './sessions.ts';
import { linkedSpanOf, spanOf } from './span-rows.ts';
import { statementsOf, type Statements } from './statements.ts';
import { storedRow } from './stored-row.ts';

export interface PostgresArchiveOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; `?sslmode=verify-full&sslrootcert=FILE` for TLS, `?host=/run/postgresql` for a socket. */
  readonly url: string;
  /** The schema that holds its tables; made when it is missing. Small letters, digits and `_`. */
  readonly schema?: string;
  readonly limits?: Partial<PostgresLimits>;
  readonly random?: Random;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * The archive of several nodes: PostgreSQL, in a schema of its own. Whoever appends to a conversation locks its spans, so
 * that any number of nodes may write.
 *
 * What was erased or dropped is gone from every answer at once, and from the server's files when it has vacuumed the
 * tables and recycled its log.
 */
export class PostgresArchive implements ArchiveStore {
  readonly #sessions: Sessions;
  readonly #statements: Statements;
  readonly #shown: string;

  private constructor(sessions: Sessions, statements: Statements, shown: string) {
    this.#sessions = sessions;
    this.#statements = statements;
    this.#shown = shown;
  }

  static async open(options: PostgresArchiveOptions): Promise<Result<PostgresArchive, ArchiveOpenError>> {
    const { url, schema = 'millrace_archive', random = systemRandom } = options;
    const address = postgresAddress(url);
    if (!address.ok) return address;
    if (!SCHEMA_NAME.test(schema)) {
      const message = `The schema of the archive cannot be ${JSON.stringify(schema)}.`;
      return err({ code: 'bad_address', message, whatToDo: 'Use up to 63 small letters, digits and _ for its name.' });
    }
    const statements = statementsOf(schema);
    const sessions = new Sessions(address.value, { ...defaultPostgresLimits, ...options.limits }, statements);
    const opened = await sessions.open(schema, random.id());
    if (opened.ok) return ok(new PostgresArchive(sessions, statements, address.value.shown));
    await sessions.close();
    return opened;
  }

  async append(chunks: readonly ArchiveChunk[]): Promise<Result<readonly AppendOutcome[], ArchiveUnavailable>> {
    checkChunks(chunks);
    // Before a session is taken: compressing takes longer than storing.
    const ready = await readyChunks(chunks);
    return this.#sessions.transaction('again', (ask) => appendChunks(ask, this.#statements, ready));
  }

  async read(
    conversation: ConversationId,
    query: RangeQuery,
  ): Promise<Result<readonly TimelineEntry[], ChunkDamaged | ArchiveUnavailable>> {
    checkLimit(query.limit);
    const { from, to, limit, direction } = query;
    const values = [conversation, from.gen, from.seq, to.gen, to.seq, limit, direction === 'forward'];
    const answer = await this.#sessions.run('again', (ask) => ask(this.#statements.page, values));
    return answer.ok ? pageIn(conversation, query, answer.value) : answer;
  }

  async at(
    conversation: ConversationId,
    position: Position,
  ): Promise<Result<TimelineEntry | null, ChunkDamaged | ArchiveUnavailable>> {
    const read = await this.read(conversation, { from: position, to: position, limit: 1, direction: 'forward' });
    return read.ok ? ok(read.value[0] ?? null) : read;
  }

  async extent(conversation: ConversationId): Promise<Result<readonly GenerationSpan[], ArchiveUnavailable>> {
    const answer = await this.#sessions.run('again', (ask) => ask(this.#statements.spans, [conversation]));
    return answer.ok ? ok(answer.value.map(spanOf)) : answer;
  }

  async erase(
    conversation: ConversationId,
    erasures: readonly Erasure[],
  ): Promise<Result<Erased, ChunkDamaged | ArchiveUnavailable>> {
    checkErasures(erasures);
    const outcome = await this.#sessions.transaction('again', (ask) => this.#eraseIn(ask, conversation, erasures));
    return outcome.ok ? outcome.value : outcome;
  }

  async #eraseIn(
    ask: Ask,
    conversation: ConversationId,
    erasures: readonly Erasure[],
  ): Promise<Result<Erased, ChunkDamaged>> {
    const { lockConversation, chunks, changeChunk, changeSpan } = this.#statements;
    const spans = (await ask(lockConversation, [conversation])).map(spanOf);
    const { archived, missing } = planErase(spans, erasures);
    // All are read before the first is written: a damaged one leaves everything as it was.
    const changes: { readonly gen: Generation; readonly erased: readonly ErasedRow<StoredRow>[] }[] = [];
    for (const span of spans) {
      const parts = archived.filter(({ gen }) => gen === span.gen);
      const held = new Map<number, StoredRow>();
      for (const { gen, first, last } of parts) {
        for (const found of await ask(chunks, [conversation, gen, first, last])) {
          const row = storedRow(found);
          held.set(row.first, row);
        }
      }
      const inOrder = [...held.values()].sort((one, other) => one.first - other.first);
      const erased = erasedRows(conversation, span, parts, inOrder, erasures);
      if (!erased.ok) return erased;
      changes.push({ gen: span.gen, erased: erased.value });
    }
    for (const { gen, erased } of changes) {
      let grownBytes = 0;
      for (const { row, bytes } of erased) {
        grownBytes += bytes.length - row.bytes.length;
        await ask(changeChunk, [conversation, gen, row.first, Buffer.from(bytes)]);
      }
      if (erased.length > 0) await ask(changeSpan, [conversation, gen, grownBytes]);
    }
    return ok({ entries: countOf(archived), missing });
  }

  async chain(
    conversation: ConversationId,
    after: Position | null,
    limit: number,
  ): Promise<Result<ChainPage, ArchiveUnavailable>> {
    checkChainLimit(limit);
    const { ofOneMoment, spans: spansOf, chunksFrom } = this.#statements;
    return this.#sessions.transaction('again', async (ask) => {
      await ask(ofOneMoment);
      const spans = (await ask(spansOf, [conversation])).map(linkedSpanOf);
      const walk = chainPage(conversation, spans, after, limit);
      let step = walk.next();
      while (step.done !== true) {
        const { span, seq, limit } = step.value;
        step = walk.next((await ask(chunksFrom, [conversation, span.gen, seq, limit])).map(storedRow));
      }
      return step.value;
    });
  }

  trim(conversation: ConversationId, before: Position): Promise<Result<void, ArchiveUnavailable>> {
    const { lockConversation, trimChunks, trimSpan, forgetChunks, forgetSpan } = this.#statements;
    return this.#sessions.transaction('again', async (ask) => {
      for (const span of (await ask(lockConversation, [conversation])).map(spanOf)) {
        if (endsBefore(span, before)) {
          await ask(forgetChunks, [conversation, span.gen]);
          await ask(forgetSpan, [conversation, span.gen]);
        } else if (span.gen === before.gen) {
          await ask(trimChunks, [conversation, span.gen, before.seq]);
          await ask(trimSpan, [conversation, span.gen]);
        }
      }
    });
  }

  drop(conversation: ConversationId): Promise<Result<void, ArchiveUnavailable>> {
    const { dropChunks, dropSpans } = this.#statements;
    // Not again when its fate is not known: meanwhile somebody may have begun the conversation anew.
    return this.#sessions.transaction('give up', async (ask) => {
      // Also where nothing is: who begins it meanwhile must not lose the span, and keep the chunks.
      await lockConversations(ask, this.#statements, [conversation]);
      await ask(dropChunks, [conversation]);
      await ask(dropSpans, [conversation]);
    });
  }

  async identity(): Promise<Result<string, ArchiveUnavailable>> {
    const answer = await this.#sessions.run('again', (ask) => ask(this.#statements.identity));
    return answer.ok ? ok(String(answer.value[0]?.['identity'])) : answer;
  }

  async health(): Promise<Result<ArchiveHealth, ArchiveUnavailable>> {
    const { pending } = this.#sessions;
    const answer = await this.#sessions.run('again', (ask) => ask(this.#statements.health));
    return answer.ok ? ok({ writable: answer.value[0]?.['writable'] === true, store: this.#shown, pending }) : answer;
  }

  async stats(): Promise<Result<ArchiveStats, ArchiveUnavailable>> {
    const answer = await this.#sessions.run('again', (ask) => ask(this.#statements.stats));
    if (!answer.ok) return answer;
    const [row = {}] = answer.value;
    const numberIn = (column: string): number => Number(row[column]);
    return ok({
      chunks: numberIn('chunks'),
      entries: numberIn('entries'),
      chunkBytes: numberIn('chunk_bytes'),
      diskBytes: numberIn('disk_bytes'),
    });
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }
}

/** The page that is in the rows of the statement `page`. */
function pageIn(
  conversation: ConversationId,
  query: RangeQuery,
  rows: readonly Row[],
): Result<readonly TimelineEntry[], ChunkDamaged> {
  const spans = new Map<number, { readonly archived: GenerationSpan; readonly held: StoredRow[] }>();
  for (const row of rows) {
    const archived = spanOf(row);
    const span = spans.get(archived.gen) ?? { archived, held: [] };
    spans.set(archived.gen, span);
    if (row['chunk_first'] !== null) span.held.push(storedRow({ first: row['chunk_first'], bytes: row['bytes'] }));
  }
  const page: TimelineEntry[] = [];
  const archived = [...spans.values()].map((span) => span.archived);
  for (const part of planRead(archived, query)) {
    const span = spans.get(part.gen);
    invariant(span !== undefined, 'a read is planned over what is archived');
    const entries = entriesInRows(conversation, span.archived, part, span.held);
    if (!entries.ok) return entries;
    page.push(...(query.direction === 'forward' ? entries.value : [...entries.value].reverse()));
  }
  return ok(page);
}
