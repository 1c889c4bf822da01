import { invariant, type Clock, type ConversationId, type PartitionId, type Result } from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import {
  BATCH_CHANGES_MAX,
  describeSearchError,
  type Change,
  type IndexedThrough,
  type IndexVersion,
  type SearchIndex,
  type SearchUnavailable,
} from '@millrace/search';
import { StoreUnavailable, type Position, type TimelineHead } from '@millrace/timeline';
import { decodeIndexCursor, encodeIndexCursor, makingOf, type IndexCursor } from './index-cursor.ts';
import { readChanges, type ChangeReads } from './read-changes.ts';
import { cutsOf, pieces, type Span } from './spans.ts';

export interface IndexBatchesLimits {
  /** Entries of Timelines in one read. */
  readonly entriesPerRead: number;
  /** Entries and conversations of one batch, about. */
  readonly entriesPerBatch: number;
  /** Reads of Timelines at a time. */
  readonly readsAtOnce: number;
  /** A conversation that could not be read for so long holds the others up no more. */
  readonly asideMs: number;
}

export interface IndexBatchesParts extends Pick<ChangeReads, 'rules'> {
  readonly partition: PartitionId;
  readonly index: SearchIndex;
  readonly into: IndexVersion;
  readonly node: Omit<ChangeReads, 'rules'>;
  readonly limits: IndexBatchesLimits;
  readonly clock: Clock;
  readonly log: PartitionLog;
  /** Asks, perhaps again, until there is an answer; rejects when there is to be none. */
  insist<T>(this: void, ask: () => Promise<T>): Promise<T>;
  /** Rejects with StoreUnavailable what was read of a store that lacks commits that were acknowledged. */
  whole<T>(this: void, read: () => Promise<T>): Promise<T>;
  /** A batch is in. */
  indexed(this: void, changes: readonly Change[]): void;
  /** A conversation could not be read; what came in it is not indexed. */
  setAside(this: void, conversation: ConversationId, error: unknown): void;
}

/** The index could not be asked. */
export class IndexUnavailable extends Error {
  override readonly name = 'IndexUnavailable';
}

/** What was begun goes no further. `later`: another one has fed the index. `over`: nobody is to feed it. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly step: 'later' | 'over';

  constructor(step: 'later' | 'over') {
    super('the index is fed by another one, or by none any more');
    this.step = step;
  }
}

/** What may be well the next time. */
export const isNotNow = (error: unknown): error is Error =>
  error instanceof StoreUnavailable || error instanceof IndexUnavailable;

export function answerOf<T>(result: Result<T, SearchUnavailable>): T {
  if (result.ok) return result.value;
  throw new IndexUnavailable(describeSearchError(result.error));
}

/** Entries of one conversation that are read together. */
export interface Piece {
  readonly conversation: ConversationId;
  readonly span: Span;
  readonly head: TimelineHead | null;
  /** Indexed before them. */
  readonly cuts: readonly Change[];
  /** Where the conversation is indexed once they are in. */
  readonly through: Position;
}

/**
 * Entries in pieces. With the head, what the conversation's generations have lost goes first; and who has its last entry
 * stands where it stands, also in a generation that has none yet.
 */
export function piecesOf(
  conversation: ConversationId,
  spans: readonly Span[],
  head: TimelineHead | null,
  entriesPerRead: number,
): readonly Piece[] {
  const cuts = head === null ? [] : cutsOf(conversation, head);
  return [...pieces(spans, entriesPerRead)].map((span, at) => ({
    ...{ conversation, span, head, cuts: at === 0 ? cuts : [] },
    through: { gen: head?.seq === span.last ? head.gen : span.gen, seq: span.last },
  }));
}

/** What is read for an index on its way into it, in batches, each with the cursor that it brings the index to. */
export class IndexBatches {
  readonly #parts: IndexBatchesParts;
  /** What the index had as its cursor when that was known last; undefined before it was asked. */
  #cursor: string | null | undefined;
  /** Whether that is still so, as far as is known. */
  #isKnown = false;
  /** Of a version that has no cursor yet: which making of the index it is. */
  #making = 0;
  #changes: Change[] = [];
  readonly #through = new Map<ConversationId, IndexedThrough>();
  /** Since when a conversation cannot be read. */
  readonly #unread = new Map<ConversationId, number>();
  readonly #aside = new Set<ConversationId>();

  constructor(parts: IndexBatchesParts) {
    this.#parts = parts;
  }

  /**
   * Where the index stands. Rejects with {@link IndexUnavailable}, or {@link Interrupted} where there is none, and when it is
   * not where it was known to be: what else is known of it may be of another version.
   */
  async cursor(): Promise<IndexCursor | null> {
    const { index, partition, into } = this.#parts;
    if (!this.#isKnown) {
      const asked = await index.cursor(partition, into);
      if (!asked.ok && asked.error.code === 'no_rebuild') throw new Interrupted('over');
      const text = answerOf(asked as Result<string | null, SearchUnavailable>);
      if (text === null && into === 'next') this.#making = makingOf(answerOf(await this.#live())) + 1;
      else this.#making = makingOf(text);
      const before = this.#cursor;
      this.#cursor = text;
      this.#isKnown = true;
      if (before !== undefined && before !== text) throw new Interrupted('later');
    }
    return decodeIndexCursor(this.#cursor ?? null);
  }

  async #live(): Promise<Result<string | null, SearchUnavailable>> {
    const { index, partition } = this.#parts;
    return (await index.cursor(partition, 'live')) as Result<string | null, SearchUnavailable>;
  }

  /** Asks the index again where it stands: another one may have fed it, or put another version in its place. */
  async lookAgain(): Promise<void> {
    this.#isKnown = false;
    await this.cursor();
  }

  /** Forgets what was read and is not in the index. */
  drop(): void {
    this.#changes = [];
    this.#through.clear();
  }

  /** What the index has of a conversation goes, with the next batch: whoever feeds it no more takes nothing away from it. */
  forget(conversation: ConversationId): void {
    this.#changes.push({ kind: 'forget', conversation });
  }

  /** Reads what there is, and hands batches to the index as they fill; what is left goes with the next {@link flush}. */
  async add(read: readonly Piece[]): Promise<void> {
    const { limits } = this.#parts;
    for (let from = 0; from < read.length; from += limits.readsAtOnce) {
      const some = read.slice(from, from + limits.readsAtOnce);
      const { insist, whole } = this.#parts;
      const found = await insist(() => whole(() => Promise.all(some.map((piece) => this.#read(piece)))));
      for (const [at, { conversation, through }] of some.entries()) {
        const changes = found[at] ?? null;
        if (changes === null) continue;
        this.#changes.push(...changes);
        this.#through.set(conversation, { conversation, ...through });
      }
      if (this.#changes.length + this.#through.size >= limits.entriesPerBatch)
        await this.#parts.insist(() => this.flush(null));
    }
  }

  /** Null for a conversation that is set aside. */
  async #read({ conversation, span, head, cuts }: Piece): Promise<readonly Change[] | null> {
    const { node, rules, clock, limits, setAside } = this.#parts;
    if (this.#aside.has(conversation)) return null;
    try {
      const changes = await readChanges({ ...node, rules }, conversation, [span], head);
      this.#unread.delete(conversation);
      return [...cuts, ...changes];
    } catch (error) {
      if (isNotNow(error)) {
        const nowMs = clock.monotonicMs();
        const sinceMs = this.#unread.get(conversation) ?? nowMs;
        this.#unread.set(conversation, sinceMs);
        if (nowMs - sinceMs < limits.asideMs) throw error;
      }
      this.#unread.delete(conversation);
      this.#aside.add(conversation);
      setAside(conversation, error);
      return null;
    }
  }

  /**
   * Brings what was gathered into the index.
   *
   * @param to - where the index stands with it; null: where it did.
   */
  async flush(to: IndexCursor | null): Promise<void> {
    const cursor = to === null ? null : encodeIndexCursor(to, this.#making);
    while (this.#changes.length > BATCH_CHANGES_MAX) {
      const some = this.#changes.slice(0, BATCH_CHANGES_MAX);
      await this.#apply(some, [], null);
      this.#changes = this.#changes.slice(BATCH_CHANGES_MAX);
    }
    if (cursor === null && this.#changes.length + this.#through.size === 0) return;
    await this.#apply(this.#changes, [...this.#through.values()], cursor);
    this.#changes = [];
    this.#through.clear();
  }

  async #apply(changes: readonly Change[], through: readonly IndexedThrough[], to: string | null): Promise<void> {
    const { partition, index, into, indexed, log } = this.#parts;
    const after = this.#cursor ?? null;
    const cursor = to ?? after;
    invariant(cursor !== null, 'an index is told first where it stands');
    const applied = await index.apply({ partition, after, cursor, changes, through }, into);
    if (applied.ok) {
      this.#cursor = cursor;
      indexed(changes);
      return;
    }
    if (applied.error.code === 'no_rebuild') throw new Interrupted('over');
    if (applied.error.code === 'unavailable') throw new IndexUnavailable(describeSearchError(applied.error));
    log.info('the index has come further in a partition than was known', { partition, to: applied.error.cursor });
    this.#cursor = applied.error.cursor;
    this.#making = makingOf(this.#cursor);
    throw new Interrupted('later');
  }
}
