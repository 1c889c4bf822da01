import type { ConversationId, PartitionId } from '@millrace/kernel';
import {
  StoreUnavailable,
  type ActorKey,
  type GenerationSpan,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import type { ArchiveUnavailable, ChunkDamaged } from './archive-errors.ts';
import type { ArchiveStore } from './archive-store.ts';
import { PageCache } from './page-cache.ts';
import { archivedSpans, joined, lackingOf } from './tier-seam.ts';

export interface TieredTimelinesLimits {
  /** Entries that are read from the archive together, and kept. */
  readonly pageEntries: number;
  /** What is kept of the archive in memory. */
  readonly cacheBytesMax: number;
}

export const defaultTieredTimelinesLimits: TieredTimelinesLimits = {
  pageEntries: 100,
  cacheBytesMax: 32 * 1024 * 1024,
};

export interface TieredTimelinesParts {
  readonly hot: TimelineReader;
  readonly archive: Pick<ArchiveStore, 'read'>;
  /**
   * The head as it is stored with the hot Timeline, null for an actor that was never written. Rejects with
   * {@link StoreUnavailable}.
   */
  headOf(partition: PartitionId, actor: ActorKey): Promise<TimelineHead | null>;
  /** What a page was refused for, for the operator: whoever asked for it is told less. */
  refused(error: ArchiveUnavailable | ChunkDamaged): void;
  readonly limits?: Partial<TieredTimelinesLimits>;
}

const conversationOf = (actor: ActorKey): ConversationId | null =>
  actor.startsWith('c:') ? (actor.slice(2) as ConversationId) : null;

/**
 * One Timeline over two tiers: what is hot, and before it what is archived.
 *
 * (S1) The hot Timeline is asked first. It is trimmed only up to what the archive has confirmed, so what it lacks then is
 *      there, also while entries go over (I8): a page has no hole, and nothing twice.
 * (S2) Entries of the archive that the head does not tell of are in no answer: a store that lost its end has lost them.
 * (S3) Inboxes are never archived: what is missing there is gone.
 */
export class TieredTimelines implements TimelineReader {
  readonly #parts: TieredTimelinesParts;
  readonly #pages: PageCache;

  constructor(parts: TieredTimelinesParts) {
    const { pageEntries, cacheBytesMax } = { ...defaultTieredTimelinesLimits, ...parts.limits };
    this.#parts = parts;
    this.#pages = new PageCache(pageEntries, cacheBytesMax);
  }

  forget(conversation: ConversationId): void {
    this.#pages.forget(conversation);
  }

  async range(partition: PartitionId, actor: ActorKey, query: RangeQuery): Promise<readonly TimelineEntry[]> {
    const hot = await this.#parts.hot.range(partition, actor, query);
    const conversation = conversationOf(actor);
    const lacking = conversation === null ? null : lackingOf(query, hot);
    if (conversation === null || lacking === null) return hot;
    const head = await this.#parts.headOf(partition, actor);
    if (head === null) return hot;
    const spans = archivedSpans(head, lacking);
    const parts = await Promise.all(spans.map((span) => this.#span(conversation, span)));
    const archived = query.direction === 'forward' ? parts.flat() : parts.map((part) => part.toReversed()).flat();
    return joined(query, archived, hot);
  }

  async at(partition: PartitionId, actor: ActorKey, position: Position): Promise<TimelineEntry | null> {
    const query: RangeQuery = { from: position, to: position, limit: 1, direction: 'forward' };
    return (await this.range(partition, actor, query))[0] ?? null;
  }

  /** What is archived of a span, in rising seq. */
  async #span(conversation: ConversationId, { gen, first, last }: GenerationSpan): Promise<readonly TimelineEntry[]> {
    const numbers: number[] = [];
    for (let number = this.#pages.numberOf(first); number <= this.#pages.numberOf(last); number += 1) {
      numbers.push(number);
    }
    const pages = await Promise.all(
      numbers.map((number) => {
        const page = { conversation, gen, number };
        return this.#pages.get(page, () => this.#read(conversation, { gen, ...this.#pages.boundsOf(page) }));
      }),
    );
    return pages.flat().filter(({ seq }) => seq >= first && seq <= last);
  }

  async #read(conversation: ConversationId, { gen, first, last }: GenerationSpan): Promise<readonly TimelineEntry[]> {
    const [from, to] = [
      { gen, seq: first },
      { gen, seq: last },
    ];
    const query: RangeQuery = { from, to, limit: last - first + 1, direction: 'forward' };
    const read = await this.#parts.archive.read(conversation, query);
    if (read.ok) return read.value;
    this.#parts.refused(read.error);
    const what = `entries ${String(first)} to ${String(last)} of ${conversation}`;
    throw new StoreUnavailable(`${what} are archived, and the archive cannot give them now`, { cause: read.error });
  }
}
