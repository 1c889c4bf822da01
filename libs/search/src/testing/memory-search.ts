import {
  err,
  generation,
  ok,
  sequenceId,
  type ConversationId,
  type PartitionId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import { checkBatch, checkQuery, checkThrough } from '../bounds.ts';
import { passesFilters } from '../filters.ts';
import { decodeCursor, encodeCursor } from '../page-cursor.ts';
import {
  cursorMoved,
  noRebuild,
  unavailable,
  type BadCursor,
  type BadQuery,
  type CursorMoved,
  type NoRebuild,
  type SearchUnavailable,
} from '../search-errors.ts';
import {
  RELEVANCE_HITS_MAX,
  type Change,
  type IndexBatch,
  type IndexVersion,
  type ScopedConversation,
  type SearchDocument,
  type SearchHealth,
  type SearchIndex,
  type SearchPage,
  type SearchQuery,
  type SearchStats,
} from '../search-index.ts';
import { matchUnits, placesOf } from '../text/match-units.ts';
import { unitsOf } from '../text/units.ts';

/** A message as the model has it; without a document when it was removed. */
interface Held {
  readonly gen: number;
  readonly rev: number;
  readonly document: SearchDocument | null;
}

interface ModelConversation {
  readonly messages: Map<number, Held>;
  readonly cuts: { gen: number; from: number }[];
  through: { gen: number; seq: number } | null;
}

interface ModelVersion {
  readonly conversations: Map<ConversationId, ModelConversation>;
  readonly cursors: Map<PartitionId, string>;
}

const emptyVersion = (): ModelVersion => ({ conversations: new Map(), cursors: new Map() });

/** What outlives the programs that open the index in memory: hand the same one to each {@link MemorySearch}. */
export class MemorySearchDisk {
  live: ModelVersion = emptyVersion();
  next: ModelVersion | null = null;
  /** While true, every call is answered `unavailable` and changes nothing. */
  isDown = false;
}

type Moment = Pick<SearchDocument, 'at' | 'conversation' | 'seq'>;

/**
 * A search index in memory, for simulations, and the model that the others are held against: it looks at every message
 * there is, one after the other, and keeps nothing that is made of their words.
 */
export class MemorySearch implements SearchIndex {
  readonly #disk: MemorySearchDisk;
  #isClosed = false;

  constructor(disk: MemorySearchDisk = new MemorySearchDisk()) {
    this.#disk = disk;
  }

  async apply(
    batch: IndexBatch,
    into: IndexVersion = 'live',
  ): Promise<Result<void, CursorMoved | NoRebuild | SearchUnavailable>> {
    checkBatch(batch);
    return this.#of(into, (version): Result<void, CursorMoved> => {
      const cursor = version.cursors.get(batch.partition) ?? null;
      if (cursor !== batch.after) return err(cursorMoved(batch.partition, batch.after, cursor));
      for (const change of batch.changes) this.#change(version, change);
      for (const { conversation, gen, seq } of batch.through) {
        const held = this.#conversation(version, conversation);
        const isLater =
          held.through === null || gen > held.through.gen || (gen === held.through.gen && seq > held.through.seq);
        if (isLater) held.through = { gen, seq };
      }
      version.cursors.set(batch.partition, batch.cursor);
      return ok(undefined);
    });
  }

  #conversation(version: ModelVersion, conversation: ConversationId): ModelConversation {
    const held = version.conversations.get(conversation) ?? {
      messages: new Map<number, Held>(),
      cuts: [],
      through: null,
    };
    version.conversations.set(conversation, held);
    return held;
  }

  #change(version: ModelVersion, change: Change): void {
    if (change.kind === 'cut') {
      const { conversation, gen, from } = change;
      const held = this.#conversation(version, conversation);
      held.cuts.push({ gen, from });
      for (const [seq, message] of held.messages) if (message.gen < gen && seq >= from) held.messages.delete(seq);
      if (held.through !== null && held.through.gen < gen) {
        held.through = { gen, seq: Math.min(held.through.seq, from - 1) };
      }
      return;
    }
    if (change.kind === 'forget') {
      version.conversations.delete(change.conversation);
      return;
    }
    if (change.kind === 'erase') {
      const { messages } = this.#conversation(version, change.conversation);
      for (const [seq, { document }] of messages)
        if (document?.sender === change.sender && seq <= change.upTo) messages.delete(seq);
      return;
    }
    const { conversation, gen, seq, rev } = change.kind === 'put' ? change.document : change;
    const held = this.#conversation(version, conversation);
    if (held.cuts.some((cut) => gen < cut.gen && seq >= cut.from)) return;
    const before = held.messages.get(seq);
    const isNewer = before === undefined || gen > before.gen || (gen === before.gen && rev > before.rev);
    const isSame = before !== undefined && gen === before.gen && rev === before.rev;
    if (change.kind === 'remove' && (isNewer || isSame)) held.messages.set(seq, { gen, rev, document: null });
    if (change.kind === 'put' && (isNewer || (isSame && before.document !== null))) {
      held.messages.set(seq, { gen, rev, document: change.document });
    }
  }

  async cursor(
    partition: PartitionId,
    of: IndexVersion = 'live',
  ): Promise<Result<string | null, NoRebuild | SearchUnavailable>> {
    return this.#of(of, ({ cursors }) => ok(cursors.get(partition) ?? null));
  }

  async indexedThrough(
    conversations: readonly ConversationId[],
  ): Promise<Result<readonly (Position | null)[], SearchUnavailable>> {
    checkThrough(conversations);
    return this.#answer(() =>
      ok(
        conversations.map((conversation) => {
          const through = this.#disk.live.conversations.get(conversation)?.through ?? null;
          return through && { gen: generation(through.gen), seq: sequenceId(through.seq) };
        }),
      ),
    );
  }

  async search(query: SearchQuery): Promise<Result<SearchPage, BadQuery | BadCursor | SearchUnavailable>> {
    const wanted = checkQuery(query);
    if (!wanted.ok) return wanted;
    const behind = decodeCursor(query, query.sort === 'time' ? ['number', 'string', 'number'] : ['number']);
    if (!behind.ok) return behind;
    const isWanted = (text: string): boolean => {
      if (wanted.value === null) return true;
      const { sequences, beginning } = wanted.value;
      return (sequences.length > 0 || beginning !== null) && matchUnits(unitsOf(text), wanted.value) !== null;
    };
    return this.#answer(() => {
      const found = this.#scoped(query).flatMap(({ conversation, visible, hidden = [] }) =>
        [...(this.#disk.live.conversations.get(conversation)?.messages ?? [])].flatMap(([seq, { document }]) => {
          const isVisible =
            visible.some(({ from, to }) => from <= seq && seq <= to) && !hidden.includes(sequenceId(seq));
          return document !== null && isVisible && passesFilters(document, query) && isWanted(document.text)
            ? [document]
            : [];
        }),
      );
      const order = query.sort === 'relevance' ? this.#relevance(query) : this.#newest;
      found.sort(order);
      const goesOn = query.behind && [query.behind.at, query.behind.conversation, query.behind.seq];
      const after = goesOn ?? behind.value;
      const first = after === null ? 0 : this.#behind(found, query, after);
      const reachable = query.sort === 'relevance' ? Math.min(found.length, RELEVANCE_HITS_MAX) : found.length;
      const last = Math.min(first + query.limit, reachable);
      const hits = found.slice(first, last).map(({ conversation, gen, seq, rev, sender, type, at }) => ({
        conversation,
        gen,
        seq,
        rev,
        sender,
        type,
        at,
      }));
      const counts = new Map<ConversationId, number>();
      for (const { conversation } of found) counts.set(conversation, (counts.get(conversation) ?? 0) + 1);
      const facets = [...counts]
        .map(([conversation, count]) => ({ conversation, count }))
        .sort((one, other) => other.count - one.count || (one.conversation < other.conversation ? -1 : 1));
      const end = found[last - 1];
      const where = query.sort === 'time' && end !== undefined ? [end.at, end.conversation, end.seq] : [last];
      const next = last < reachable ? encodeCursor(query, where) : null;
      return ok({ hits, total: found.length, next, ...(query.facets === true ? { facets } : {}) });
    });
  }

  #scoped({ scope }: SearchQuery): readonly ScopedConversation[] {
    if (scope !== 'everything') return scope;
    const all = [{ from: sequenceId(1), to: sequenceId(Number.MAX_SAFE_INTEGER) }];
    return [...this.#disk.live.conversations.keys()].map((conversation) => ({ conversation, visible: all }));
  }

  /** How many of what was found, newest first, stand before where a page goes on. */
  #behind(found: readonly SearchDocument[], query: SearchQuery, behind: readonly (string | number)[]): number {
    if (query.sort === 'relevance') return Number(behind[0]);
    const [at, conversation, seq] = behind;
    const end = { at: Number(at), conversation: conversation as ConversationId, seq: sequenceId(Number(seq)) };
    return found.filter((document) => this.#newest(document, end) <= 0).length;
  }

  readonly #newest = (one: Moment, other: Moment): number =>
    other.at - one.at ||
    (one.conversation < other.conversation ? -1 : one.conversation > other.conversation ? 1 : other.seq - one.seq);

  #relevance(query: SearchQuery): (one: SearchDocument, other: SearchDocument) => number {
    const wanted = unitsOf(query.text ?? '');
    const rank = ({ text }: SearchDocument): readonly [number, number] => {
      const units = unitsOf(text);
      return [wanted.length > 1 && placesOf(units, wanted).length > 0 ? 0 : 1, units.length];
    };
    return (one, other) => {
      if (query.text === undefined) return this.#newest(one, other);
      const [ones, others] = [rank(one), rank(other)];
      return ones[0] - others[0] || ones[1] - others[1] || this.#newest(one, other);
    };
  }

  async eraseConversation(conversation: ConversationId): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(() => {
      for (const version of this.#versions()) version.conversations.delete(conversation);
      return ok(undefined);
    });
  }

  async eraseSender(sender: UserId): Promise<Result<number, SearchUnavailable>> {
    return this.#answer(() => {
      let count = 0;
      for (const version of this.#versions()) {
        for (const { messages } of version.conversations.values()) {
          for (const [seq, { document }] of messages) {
            if (document?.sender !== sender) continue;
            messages.delete(seq);
            if (version === this.#disk.live) count += 1;
          }
        }
      }
      return ok(count);
    });
  }

  async purge(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(() => ok(undefined));
  }

  async beginRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(() => {
      this.#disk.next = emptyVersion();
      return ok(undefined);
    });
  }

  async finishRebuild(): Promise<Result<void, NoRebuild | SearchUnavailable>> {
    return this.#of('next', (next) => {
      this.#disk.live = next;
      this.#disk.next = null;
      return ok(undefined);
    });
  }

  async abandonRebuild(): Promise<Result<void, SearchUnavailable>> {
    return this.#answer(() => {
      this.#disk.next = null;
      return ok(undefined);
    });
  }

  async health(): Promise<Result<SearchHealth, SearchUnavailable>> {
    return this.#answer(() => ok({ writable: true, index: 'memory', isRebuilding: this.#disk.next !== null }));
  }

  async stats(): Promise<Result<SearchStats, SearchUnavailable>> {
    return this.#answer(() => {
      const all = [...this.#disk.live.conversations.values()];
      const messages = all.reduce(
        (sum, conversation) =>
          sum + [...conversation.messages.values()].filter(({ document }) => document !== null).length,
        0,
      );
      return ok({ messages, conversations: all.length, diskBytes: null });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #versions(): readonly ModelVersion[] {
    return this.#disk.next === null ? [this.#disk.live] : [this.#disk.live, this.#disk.next];
  }

  #of<T, E>(
    version: IndexVersion,
    work: (version: ModelVersion) => Result<T, E>,
  ): Result<T, E | NoRebuild | SearchUnavailable> {
    return this.#answer((): Result<T, E | NoRebuild> => {
      const held = version === 'live' ? this.#disk.live : this.#disk.next;
      return held === null ? err(noRebuild()) : work(held);
    });
  }

  #answer<T, E>(work: () => Result<T, E>): Result<T, E | SearchUnavailable> {
    if (this.#isClosed) return err(unavailable('The search index was closed.', 'Open it again.'));
    if (this.#disk.isDown) return err(unavailable('The search index does not answer.', 'Try again later.'));
    return work();
  }
}
