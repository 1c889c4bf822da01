import { type ConversationId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { THROUGH_MAX } from '@millrace/search';

type Answer<T> = Promise<Result<T, { readonly message: string }>>;

interface SentBy {
  readonly scope: 'everything';
  readonly senders: readonly UserId[];
  readonly sort: 'time';
  readonly limit: 1;
}

/** What an index of messages is told and asked, as `SearchIndex` specifies it. */
export interface ErasableSearch {
  indexedThrough(conversations: readonly ConversationId[]): Answer<readonly ({ readonly seq: SequenceId } | null)[]>;
  health(): Answer<{ readonly isRebuilding: boolean }>;
  search(query: SentBy): Answer<{ readonly total: number }>;
  eraseSender(user: UserId): Answer<number>;
  eraseConversation(conversation: ConversationId): Answer<void>;
  purge(): Answer<void>;
}

export interface IndexErasureParts {
  readonly search: ErasableSearch;
  pause(this: void, ms: number): Promise<void>;
}

/** An index that is behind is looked at as often, a minute at the most for a user, and five seconds for a conversation. */
const LOOK_MS = 200;
const LOOKS_MAX = { user: 300, conversation: 25 } as const;

const BEHIND =
  'the search index is behind, and may take in words that it read before: they are in no answer, but may stay in its files; ' +
  'ask for the erasure again when millrace_search_lag_seconds is 0';
const MADE_ANEW =
  'the search index is being made anew, and may have read words before they were erased: they are in no answer, but may stay ' +
  'in its files; ask for the erasure again when that has ended';

/**
 * Takes what is erased out of the search index, and off its disk.
 *
 * (E1) What feeds the index reads first and writes then, so that it may write what was erased between. Behind the entry that
 *      tells of the erasure it cannot: so that is waited for before the index forgets, and its files are written over.
 */
export class IndexErasure {
  readonly #parts: IndexErasureParts;
  /** Under way, and the one behind it: whoever asks for one meanwhile waits for that. */
  #purging: Answer<void> | null = null;
  #purgingNext: Answer<void> | null = null;

  constructor(parts: IndexErasureParts) {
    this.#parts = parts;
  }

  /** How many messages of theirs it has; null when it does not answer. */
  async has(user: UserId): Promise<number | null> {
    const page = await this.#parts.search.search({ scope: 'everything', senders: [user], sort: 'time', limit: 1 });
    return page.ok ? page.value.total : null;
  }

  /**
   * @param told - conversations of theirs, and the entry of each that tells of the erasure.
   * @returns what is left, for people; null for nothing.
   */
  async user(user: UserId, told: ReadonlyMap<ConversationId, SequenceId>): Promise<string | null> {
    const { search } = this.#parts;
    const before = await search.health();
    const isThrough = await this.#through(told, LOOKS_MAX.user);
    const erased = await search.eraseSender(user);
    if (!erased.ok) return erased.error.message;
    const purged = await this.#purge();
    if (!purged.ok) return purged.error.message;
    if (!before.ok) return before.error.message;
    if (before.value.isRebuilding) return MADE_ANEW;
    return isThrough ? null : BEHIND;
  }

  /** @param head - of the conversation, as it was erased. @returns what is left, for people; null for nothing. */
  async conversation(conversation: ConversationId, head: SequenceId): Promise<string | null> {
    const { search } = this.#parts;
    const isThrough = await this.#through(new Map([[conversation, head]]), LOOKS_MAX.conversation);
    const known = isThrough ? null : await search.indexedThrough([conversation]);
    const erased = await search.eraseConversation(conversation);
    if (!erased.ok) return erased.error.message;
    const purged = await this.#purge();
    if (!purged.ok) return purged.error.message;
    // Of what it does not know at all it has nothing to take in: a conversation that was erased before is one.
    return known?.ok === true && known.value[0] !== null ? BEHIND : null;
  }

  /** Whether the index has come so far in all of them. */
  async #through(wanted: ReadonlyMap<ConversationId, SequenceId>, looksMax: number): Promise<boolean> {
    const { search, pause } = this.#parts;
    let behind = [...wanted];
    for (let look = 0; look < looksMax; look += 1) {
      const still: typeof behind = [];
      for (let from = 0; from < behind.length; from += THROUGH_MAX) {
        const some = behind.slice(from, from + THROUGH_MAX);
        const through = await search.indexedThrough(some.map(([conversation]) => conversation));
        if (!through.ok) return false;
        still.push(...some.filter(([, seq], at) => (through.value[at]?.seq ?? 0) < seq));
      }
      behind = still;
      if (behind.length === 0) return true;
      await pause(LOOK_MS);
    }
    return false;
  }

  /** Takes long for a large index: of those that are asked for meanwhile one is done. */
  #purge(): Answer<void> {
    const begin = (): Answer<void> => {
      this.#purgingNext = null;
      const purging = this.#parts.search.purge().finally(() => {
        if (this.#purging === purging) this.#purging = null;
      });
      this.#purging = purging;
      return purging;
    };
    if (this.#purging === null) return begin();
    this.#purgingNext ??= this.#purging.then(begin, begin);
    return this.#purgingNext;
  }
}
