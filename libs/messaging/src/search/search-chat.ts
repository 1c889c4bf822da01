import { err, ok, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { THROUGH_MAX, type SearchHit, type SearchIndex, type SearchPage, type SearchQuery } from '@millrace/search';
import { StoreUnavailable, type Position } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { answered } from '../answered.ts';
import type { FoundContent, SearchService } from '../chat-service.ts';
import type { CurrentReads } from '../revise/current.ts';
import type { HeadsOf } from '../sync/listing.ts';
import { checkCandidates } from './check-candidates.ts';
import { editedBehindStay, type EditedBehindStay } from './edited-behind-stay.ts';
import { countFound, pageByRelevance, pageByTime, type IndexQuery } from './found-pages.ts';
import type { IndexStreamParts } from './index-stream.ts';
import type { Match } from './match.ts';
import { readTail, type SearchReads, type Tail } from './read-tail.ts';
import { decodePageCursor, encodePageCursor, type PageCursor } from './search-cursor.ts';
import { queryOf, type Asked, type AskedQuery } from './search-query.ts';
import { scopeOfNamed, scopeOfUser, seenByAsking, type SearchScope } from './search-scope.ts';
import { extractText, type Extraction } from './searchable.ts';
import type { SeenConversation } from './seen-conversation.ts';
import { planTail } from './tail-plan.ts';

export interface SearchChatReads extends CurrentReads {
  readonly heads: HeadsOf;
}

/** Entries that are looked at beside the index for one answer (I9). */
const TAIL_ENTRIES_MAX = 2_000;
/** Conversations that an answer names as not looked at whole. */
const UNSEARCHED_MAX = 100;

const isOff = frameError(
  'forbidden',
  'this server has no search index: whoever runs it may open one, see MILLRACE_SEARCH in docs/configuration.md',
);

type Answered = Promise<Result<FoundContent, FrameError>>;

/**
 * Answers what people search for.
 *
 * (Q1) A hit is a message that the asker may read now (I7, I11), as it stands now: the index says where to look, and
 *      the Timeline what is there. Nothing of an answer, its counts and cursors included, comes from the index alone.
 * (Q2) What is acknowledged is found at once: the entries that the index does not have yet are looked at themselves. They
 *      are bounded (I9), and an answer says what was not looked at.
 */
export function searchOver(
  calls: ActorCalls,
  reads: SearchChatReads,
  search: SearchIndex | null,
  extract: Extraction = extractText,
): SearchService {
  const answer = (user: UserId | null, asked: Asked): Answered =>
    answered(async () => {
      if (search === null) return err(isOff);
      const query = queryOf(asked);
      if (!query.ok) return query;
      return new OneSearch({ calls, reads, user, extract }, search, query.value).answer(reads.heads);
    });
  return {
    search: (by, asked) => answer(by.user, asked),
    searchFor: (asked) => answer(null, asked),
  };
}

/** One question, while it is answered. */
class OneSearch {
  readonly #parts: SearchReads;
  readonly #index: SearchIndex;
  readonly #query: AskedQuery;
  #seen: ReadonlyMap<ConversationId, SeenConversation> = new Map();

  constructor(parts: SearchReads, index: SearchIndex, query: AskedQuery) {
    this.#parts = parts;
    this.#index = index;
    this.#query = query;
  }

  async answer(heads: HeadsOf): Answered {
    const { asked } = this.#query;
    const cursor = decodePageCursor(asked);
    if (!cursor.ok) return cursor;
    const scope = await this.#scope(heads);
    if (!scope.ok) return scope;
    const scoped = scope.value?.seen.filter(({ visible }) => visible.length > 0) ?? [];
    this.#seen = new Map(scoped.map((each) => [each.conversation, each]));
    const [through, behind] = await Promise.all([this.#through(scoped), this.#editedBehindStay(scoped)]);
    const plan = planTail(scoped, through, TAIL_ENTRIES_MAX);
    const tail = await readTail(this.#parts, this.#query, plan, behind.edited);
    const index = this.#indexQuery(scope.value === null ? 'everything' : scoped);
    const parts = this.#streamParts(tail, scope.value === null);
    const page =
      asked.sort === 'relevance'
        ? await pageByRelevance(parts, this.#query, index, tail.matches, shownBefore(cursor.value))
        : await pageByTime(parts, this.#query, index, tail.matches, timeOf(cursor.value));
    const counts = asked.count === true ? { counts: await countFound(parts, index, tail.matches) } : {};
    return ok({
      hits: page.matches.map(hitOf),
      next: page.next === null ? null : encodePageCursor(asked, page.next),
      complete: scope.value?.isCut === false && !behind.isCut && tail.unsearched.length === 0,
      unsearched: tail.unsearched.slice(0, UNSEARCHED_MAX),
      ...counts,
    });
  }

  /** Null: everything. */
  async #scope(heads: HeadsOf): Promise<Result<SearchScope | null, FrameError>> {
    const { calls, user } = this.#parts;
    const { conversations } = this.#query.asked;
    if (conversations !== undefined) return scopeOfNamed(calls, user, conversations);
    return user === null ? ok(null) : scopeOfUser(calls, heads, user);
  }

  /** Asked before the index is searched: what comes into it between is in both, and told once. */
  async #through(scoped: readonly SeenConversation[]): Promise<readonly (Position | null)[]> {
    const conversations = scoped.map(({ conversation }) => conversation);
    const all: (Position | null)[] = [];
    for (let from = 0; from < conversations.length; from += THROUGH_MAX) {
      const through = await this.#index.indexedThrough(conversations.slice(from, from + THROUGH_MAX));
      if (!through.ok) throw refused(through.error);
      all.push(...through.value);
    }
    return all;
  }

  #editedBehindStay(scoped: readonly SeenConversation[]): Promise<EditedBehindStay> {
    const { calls, reads } = this.#parts;
    return editedBehindStay({ records: reads.records, partitionOf: (key) => calls.partitionOf(key) }, scoped);
  }

  #indexQuery(scoped: 'everything' | readonly SeenConversation[]): IndexQuery {
    const { asked, filters } = this.#query;
    return {
      ...filters,
      ...(asked.text === undefined ? {} : { text: asked.text }),
      ...(asked.prefix === undefined ? {} : { prefix: asked.prefix }),
      scope: scoped === 'everything' ? scoped : scoped.map(({ conversation, visible }) => ({ conversation, visible })),
    };
  }

  #streamParts({ covered }: Tail, isEverything: boolean): IndexStreamParts {
    return {
      ask: (query) => this.#ask(query),
      check: async (hits) => {
        if (isEverything) await this.#lookAt(hits);
        return checkCandidates(this.#parts, this.#query, this.#seen, covered, hits);
      },
    };
  }

  async #ask(query: SearchQuery): Promise<SearchPage> {
    if (query.scope.length === 0) return { hits: [], total: 0, next: null };
    const page = await this.#index.search(query);
    if (!page.ok) throw refused(page.error);
    return page.value;
  }

  /** Of everything, only those are asked in which something was found. */
  async #lookAt(hits: readonly SearchHit[]): Promise<void> {
    const { calls, user } = this.#parts;
    const unknown = [...new Set(hits.map(({ conversation }) => conversation))].filter((each) => !this.#seen.has(each));
    const seen = new Map(this.#seen);
    for (const [conversation, answer] of await seenByAsking(calls, user, unknown)) {
      if (answer.ok) seen.set(conversation, answer.value);
      else if (answer.error.code !== 'not_found') throw new StoreUnavailable(answer.error.message);
    }
    this.#seen = seen;
  }
}

/** What an index refuses is that it cannot be asked now: what people may have typed wrong was looked at before. */
const refused = ({ message, whatToDo }: { readonly message: string; readonly whatToDo: string }): StoreUnavailable =>
  new StoreUnavailable(`${message} ${whatToDo}`);

const shownBefore = (cursor: PageCursor | null): number => (cursor?.sort === 'relevance' ? cursor.shown : 0);
const timeOf = (cursor: PageCursor | null) => (cursor?.sort === 'time' ? cursor : null);

/** What is marked are places of the body: of what else an application has searched, none are told. */
function hitOf({ conversation, entry, text, places }: Match): FoundContent['hits'][number] {
  return { conversation, message: entry, places: entry.message.body === text ? places : [] };
}
