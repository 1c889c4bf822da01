import { sequenceId, type ConversationId, type Generation } from '@millrace/kernel';
import type { TimelineEntry } from '@millrace/timeline';
import { LRUCache } from 'lru-cache';

/** What a page takes beside its entries' bytes, about. */
const ENTRY_BYTES = 100;

/** Consecutive entries of an archive that are read together: those of one number of `pageEntries` each. */
export interface ArchivePage {
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly number: number;
}

const nameOf = ({ conversation, gen, number }: ArchivePage): string =>
  `${conversation} ${String(gen)} ${String(number)}`;

/**
 * Pages of the archive that were read lately. What is archived is written over by erasures alone, so a page that is full
 * stays as it is until then; one that is not full yet is not kept.
 *
 * (A1) Of one page, one read is under way at a time, whoever asks.
 * (A2) What is kept is bounded by bytes (I9).
 */
export class PageCache {
  readonly #entries: number;
  readonly #pages: LRUCache<string, readonly TimelineEntry[]>;
  readonly #reads = new Map<string, Promise<readonly TimelineEntry[]>>();

  constructor(pageEntries: number, bytesMax: number) {
    this.#entries = pageEntries;
    this.#pages = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: (page) => page.reduce((sum, { data }) => sum + data.length + ENTRY_BYTES, 1),
    });
  }

  numberOf(seq: number): number {
    return Math.floor((seq - 1) / this.#entries);
  }

  /** The first and the last seq of a page. */
  boundsOf({ number }: Pick<ArchivePage, 'number'>) {
    return { first: sequenceId(number * this.#entries + 1), last: sequenceId((number + 1) * this.#entries) };
  }

  /** What is kept of a conversation is let go of. */
  forget(conversation: ConversationId): void {
    const prefix = `${conversation} `;
    for (const name of [...this.#pages.keys()]) if (name.startsWith(prefix)) this.#pages.delete(name);
  }

  /** @param read - reads the page, in rising seq. Asked only when it is not here, and not on its way. */
  async get(page: ArchivePage, read: () => Promise<readonly TimelineEntry[]>): Promise<readonly TimelineEntry[]> {
    const name = nameOf(page);
    const kept = this.#pages.get(name);
    if (kept !== undefined) return kept;
    const underWay = this.#reads.get(name);
    if (underWay !== undefined) return underWay;
    const reading = read();
    this.#reads.set(name, reading);
    try {
      const entries = await reading;
      if (entries.at(-1)?.seq === this.boundsOf(page).last) this.#pages.set(name, entries);
      return entries;
    } finally {
      this.#reads.delete(name);
    }
  }
}
