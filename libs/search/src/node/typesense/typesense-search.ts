import {
  err,
  generation,
  invariant,
  ok,
  sequenceId,
  systemRandom,
  type ConversationId,
  type PartitionId,
  type Random,
  type Result,
  type UserId,
} from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import { checkBatch, checkQuery, checkThrough } from '../../bounds.ts';
import { decodeCursor, encodeCursor } from '../../page-cursor.ts';
import {
  badQuery,
  cursorMoved,
  noRebuild,
  unavailable,
  type BadCursor,
  type BadQuery,
  type CursorMoved,
  type NoRebuild,
  type SearchOpenError,
  type SearchUnavailable,
} from '../../search-errors.ts';
import {
  RELEVANCE_HITS_MAX,
  type IndexBatch,
  type IndexVersion,
  type ScopedConversation,
  type SearchHealth,
  type SearchIndex,
  type SearchPage,
  type SearchQuery,
  type SearchStats,
} from '../../search-index.ts';
import { isEmptyWanted } from '../../text/wanted.ts';
import { CollectionVersions } from './collection-versions.ts';
import { keyOf, laneOf } from './encoded.ts';
import { facetsOf, hitsOf, pageSearches, totalOf, type Behind, type RankedHit } from './page-searches.ts';
import { queryFilters, scopeFilters } from './scope-filters.ts';
import { idsOf, settleBatch, type HeldMessage, type HeldState } from './settle-batch.ts';
import { addressOf } from './typesense-address.ts';
import { cursorId, markId, markOf } from './typesense-documents.ts';
import { openErrorOf, unavailableOf } from './typesense-errors.ts';
import { TypesenseServer, type OneAnswer, type OneSearch, type ServerAddress } from './typesense-server.ts';

export interface TypesenseSearchOptions {
  /** Every node of one cluster: `https://HOST:PORT`. */
  readonly nodes: readonly string[];
  /** The one to ask first: near to here, or a balancer before all of them. */
  readonly nearest?: string;
  /** A key that may do everything with the collections and aliases whose names begin with `name`. */
  readonly key: string;
  /** A key that may search in them and nothing else: from it come the keys for clients that ask Typesense themselves. */
  readonly searchKey?: string;
  /** What the collections' names begin with. Default: `millrace`. */
  readonly name?: string;
  /** A request that has no answer by then goes to another node. Default: 10. */
  readonly answerSecondsMax?: number;
  readonly random?: Random;
}

/** Scopes that take more conditions do not fit into a key. */
const KEY_FILTER_CHARACTERS_MAX = 2_000;
/** The most hits that Typesense gives for one search. */
const PER_PAGE_MAX = 250;
const VERSION_MIN = 30;

/**
 * The search index of several nodes, in Typesense. Each version of it is a collection, and searches follow an alias.
 *
 * Typesense has no transactions: a batch is written removals first, documents then, its cursor last, so that what is
 * cut off in the middle comes again. One program at a time follows a partition's changefeed. A follower of a Typesense
 * cluster may be behind for a moment: an indexer that asks one may be told `cursor_moved`, and goes on from there.
 */
export class TypesenseSearch implements SearchIndex {
  readonly #server: TypesenseServer;
  readonly #versions: CollectionVersions;
  readonly #searchKey: string | undefined;
  readonly #index: string;
  #isClosed = false;

  private constructor(server: TypesenseServer, versions: CollectionVersions, index: string, searchKey?: string) {
    this.#server = server;
    this.#versions = versions;
    this.#index = index;
    this.#searchKey = searchKey;
  }

  static async open(options: TypesenseSearchOptions): Promise<Result<TypesenseSearch, SearchOpenError>> {
    const { key, searchKey, name = 'millrace', answerSecondsMax = 10, random = systemRandom } = options;
    const nodes: ServerAddress[] = [];
    for (const url of options.nodes) {
      const address = addressOf(url);
      if (!address.ok) return address;
      nodes.push(address.value);
    }
    const nearest = options.nearest === undefined ? null : addressOf(options.nearest);
    if (nearest !== null && !nearest.ok) return nearest;
    const [first] = nodes;
    if (first === undefined) {
      const whatToDo = 'Name each node as http://HOST:PORT or https://HOST:PORT.';
      return err({ code: 'bad_address', message: 'No node of Typesense is named.', whatToDo });
    }
    const server = new TypesenseServer({
      nodes,
      ...(nearest === null ? {} : { nearest: nearest.value }),
      key,
      answerSecondsMax,
    });
    const index = `${name} at ${first.host}:${String(first.port)}`;
    try {
      const refusal = versionRefusal(index, await server.version());
      if (refusal === null) {
        const versions = new CollectionVersions(server, name, random);
        const opened = await versions.open();
        if (opened.ok) return ok(new TypesenseSearch(server, versions, index, searchKey));
        server.close();
        return opened;
      }
      server.close();
      return err(refusal);
    } catch (error) {
      server.close();
      return err(openErrorOf(index, error));
    }
  }

  async apply(
    batch: IndexBatch,
    into: IndexVersion = 'live',
  ): Promise<Result<void, CursorMoved | NoRebuild | SearchUnavailable>> {
    checkBatch(batch);
    return this.#of(into, async (collection): Promise<Result<void, CursorMoved>> => {
      const { held, cursor } = await this.#held(collection, batch);
      if (cursor !== batch.after) return err(cursorMoved(batch.partition, batch.after, cursor));
      const settled = settleBatch(batch, held);
      for (const filter of settled.removals) await this.#server.remove(collection, filter);
      await this.#server.write(collection, settled.documents);
      await this.#server.write(collection, [settled.cursor]);
      return ok(undefined);
    });
  }

  async #held(
    collection: string,
    batch: IndexBatch,
  ): Promise<{ readonly held: HeldState; readonly cursor: string | null }> {
    const ids = idsOf(batch);
    const found = await this.#documents(collection, [cursorId(batch.partition), ...ids.marks, ...ids.messages]);
    const messages = new Map<string, HeldMessage>();
    const marks = new Map<string, ReturnType<typeof markOf>>();
    let cursor: string | null = null;
    for (const [id, document] of found) {
      const kind = document['kind'];
      if (kind === 'cursor') cursor = String(document['cursor']);
      else if (kind === 'mark') marks.set(id, markOf(document));
      else {
        const [gen, rev] = [Number(document['gen']), Number(document['rev'])];
        messages.set(id, { gen, rev, removed: kind === 'gone', sender: String(document['sender']) });
      }
    }
    return { held: { messages, marks }, cursor };
  }

  /** The documents of these ids that are there. */
  async #documents(
    collection: string,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const searches: OneSearch[] = [];
    for (let from = 0; from < ids.length; from += PER_PAGE_MAX) {
      const filter_by = `id:[${ids.slice(from, from + PER_PAGE_MAX).join(',')}]`;
      const include_fields = 'id,kind,seq,gen,rev,sender,cuts,cursor';
      searches.push({ collection, q: '*', filter_by, include_fields, per_page: PER_PAGE_MAX });
    }
    const answers = (await this.#server.search(searches)).map(sound);
    const hits = answers.flatMap(({ hits: some = [] }) => some);
    return new Map(hits.map(({ document }) => [String(document['id']), document]));
  }

  async cursor(
    partition: PartitionId,
    of: IndexVersion = 'live',
  ): Promise<Result<string | null, NoRebuild | SearchUnavailable>> {
    return this.#of(of, async (collection) => {
      const document = (await this.#documents(collection, [cursorId(partition)])).get(cursorId(partition));
      return ok(document === undefined ? null : String(document['cursor']));
    });
  }

  async indexedThrough(
    conversations: readonly ConversationId[],
  ): Promise<Result<readonly (Position | null)[], SearchUnavailable>> {
    checkThrough(conversations);
    return this.#answer(async () => {
      const documents = await this.#documents(this.#versions.live, [...new Set(conversations.map(markId))]);
      return ok(
        conversations.map((conversation) => {
          const document = documents.get(markId(conversation));
          const through = document === undefined ? null : markOf(document).through;
          return through && { gen: generation(through.gen), seq: sequenceId(through.seq) };
        }),
      );
    });
  }

  async search(query: SearchQuery): Promise<Result<SearchPage, BadQuery | BadCursor | SearchUnavailable>> {
    const wanted = checkQuery(query);
    if (!wanted.ok) return wanted;
    const behind = behindOf(query);
    if (!behind.ok) return behind;
    return this.#answer(async () => {
      const isEmpty = wanted.value !== null && isEmptyWanted(wanted.value);
      const searches = isEmpty
        ? { counts: [], hits: [] }
        : pageSearches(this.#versions.live, query, wanted.value, behind.value);
      const isOne = searches.counts === searches.hits;
      const answers = (await this.#server.search(isOne ? searches.hits : [...searches.counts, ...searches.hits])).map(
        soundOrNone,
      );
      const counts = isOne ? answers : answers.slice(0, searches.counts.length);
      const hits = isOne ? answers : answers.slice(searches.counts.length);
      return ok(pageOf(query, behind.value, totalOf(counts), hitsOf(hits, query.sort), facetsOf(counts, query)));
    });
  }

  async eraseConversation(conversation: ConversationId): Promise<Result<void, SearchUnavailable>> {
    return this.#everywhere(async (collection) => {
      await this.#server.remove(collection, `conversation:=${keyOf(conversation)}`);
    });
  }

  async eraseSender(sender: UserId): Promise<Result<number, SearchUnavailable>> {
    let count = 0;
    const erased = await this.#everywhere(async (collection) => {
      const removed = await this.#server.remove(collection, `kind:=message && sender:=${keyOf(sender)}`);
      if (collection === this.#versions.live) count = removed;
    });
    return erased.ok ? ok(count) : erased;
  }

  /** Typesense takes what is removed out of its memory at once, and off its disk when it compacts by itself. */
  async purge(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(async () => ok(undefined));
  }

  async beginRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(async () => {
      await this.#versions.begin();
      return ok(undefined);
    });
  }

  async finishRebuild(): Promise<Result<void, NoRebuild | SearchUnavailable>> {
    return this.#answer(async () => ((await this.#versions.finish()) ? ok(undefined) : err(noRebuild())));
  }

  async abandonRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(async () => {
      await this.#versions.abandon();
      return ok(undefined);
    });
  }

  async health(): Promise<Result<SearchHealth, SearchUnavailable>> {
    return this.#answer(async () => {
      const writable = await this.#server.isHealthy();
      return ok({ writable, index: this.#index, isRebuilding: await this.#versions.isBuilding() });
    });
  }

  async stats(): Promise<Result<SearchStats, SearchUnavailable>> {
    return this.#answer(async () => {
      const count = (kind: string): OneSearch => {
        return { collection: this.#versions.live, q: '*', filter_by: `kind:=${kind}`, per_page: 1 };
      };
      const answers = (await this.#server.search([count('message'), count('mark')])).map(sound);
      const [messages = 0, conversations = 0] = answers.map(({ found = 0 }) => found);
      return ok({ messages, conversations, diskBytes: null });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#server.close();
  }

  /**
   * A key with which somebody may ask Typesense themselves, and sees the messages of this scope and no others.
   *
   * @param expiresAtSeconds - since 1970 UTC. A membership that ends before is still in the key: keep it short.
   * @returns `bad_query` for a scope that does not fit into a key.
   * @throws InvariantViolation when the index was opened without a search key.
   */
  scopedKey(scope: readonly ScopedConversation[], expiresAtSeconds: number): Result<string, BadQuery> {
    invariant(this.#searchKey !== undefined, 'keys are made from a search key');
    const base = queryFilters({ scope, sort: 'time', limit: 1 }, null) ?? [];
    const [filter = 'kind:=none', ...more] = scopeFilters(scope, base.length).map((one) => `kind:=message && (${one})`);
    if (more.length > 0 || filter.length > KEY_FILTER_CHARACTERS_MAX) {
      const message = `A scope of ${String(scope.length)} conversations does not fit into a key.`;
      return err(badQuery(message, 'Ask for fewer of them, or search through Millrace.'));
    }
    return ok(this.#server.scopedKey(this.#searchKey, filter, expiresAtSeconds));
  }

  async #everywhere(work: (collection: string) => Promise<void>): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(async () => {
      const next = await this.#versions.collectionOf('next');
      for (const collection of [this.#versions.live, next]) if (collection !== null) await work(collection);
      return ok(undefined);
    });
  }

  #of<T, E>(
    version: IndexVersion,
    work: (collection: string) => Promise<Result<T, E>>,
  ): Promise<Result<T, E | NoRebuild | SearchUnavailable>> {
    return this.#answer(async (): Promise<Result<T, E | NoRebuild>> => {
      const collection = await this.#versions.collectionOf(version);
      return collection === null ? err(noRebuild()) : work(collection);
    });
  }

  async #answer<T, E>(work: () => Promise<Result<T, E>>): Promise<Result<T, E | SearchUnavailable>> {
    if (this.#isClosed) return err(unavailable(`The search index ${this.#index} was closed.`, 'Open it again.'));
    try {
      return await work();
    } catch (error) {
      return err(unavailableOf(this.#index, error));
    }
  }
}

/** One of many searches failed: then the answer would not be whole. */
function sound(answer: OneAnswer): OneAnswer {
  if (answer.error !== undefined) throw new Error(answer.error);
  if (answer.search_cutoff === true) throw new Error('it gave up a search that took too long');
  return answer;
}

/** A field that no message has had yet is not known to Typesense; no message has it. */
const UNKNOWN_FIELD = /filter field named `?[snb]_/;

const soundOrNone = (answer: OneAnswer): OneAnswer =>
  answer.code === 404 && UNKNOWN_FIELD.test(answer.error ?? '') ? {} : sound(answer);

function versionRefusal(index: string, version: string): SearchOpenError | null {
  const major = /^v?(\d+)\./.exec(version)?.[1];
  // A build from a branch has no number.
  if (major === undefined || Number(major) >= VERSION_MIN) return null;
  return {
    code: 'too_old',
    message: `The search index ${index} is Typesense ${version}; ${String(VERSION_MIN)}.0 is the oldest that will do.`,
    whatToDo: 'Update Typesense, or keep the index of a single process in SQLite.',
  };
}

function behindOf(query: SearchQuery): Result<Behind | null, BadCursor> {
  if (query.sort === 'relevance') {
    const decoded = decodeCursor(query, ['number']);
    if (!decoded.ok) return decoded;
    return ok(decoded.value === null ? null : { sort: 'relevance', shown: Math.max(0, Number(decoded.value[0])) });
  }
  if (query.behind !== undefined) {
    const { at, conversation, seq } = query.behind;
    return ok({ sort: 'time', at, lane: laneOf(keyOf(conversation)), seq });
  }
  const decoded = decodeCursor(query, ['number', 'number', 'number']);
  if (!decoded.ok) return decoded;
  if (decoded.value === null) return ok(null);
  const [at, lane, seq] = decoded.value.map(Number);
  return ok({ sort: 'time', at: at ?? 0, lane: lane ?? 0, seq: seq ?? 0 });
}

function pageOf(
  query: SearchQuery,
  behind: Behind | null,
  total: number,
  ranked: readonly RankedHit[],
  facets: NonNullable<SearchPage['facets']>,
): SearchPage {
  const shown = behind?.sort === 'relevance' ? behind.shown : 0;
  const end = query.sort === 'time' ? query.limit : Math.min(shown + query.limit, RELEVANCE_HITS_MAX);
  const hits = ranked.slice(shown, end);
  const page = { hits: hits.map(({ hit }) => hit), total, ...(query.facets === true ? { facets } : {}) };
  const last = hits.at(-1);
  if (last === undefined) return { ...page, next: null };
  if (query.sort === 'time') {
    const { at, conversation, seq } = last.hit;
    const isLast = ranked.length <= query.limit;
    return { ...page, next: isLast ? null : encodeCursor(query, [at, laneOf(keyOf(conversation)), seq]) };
  }
  const reached = shown + hits.length;
  return { ...page, next: reached < Math.min(total, RELEVANCE_HITS_MAX) ? encodeCursor(query, [reached]) : null };
}
