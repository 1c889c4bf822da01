import type { SearchHit, SearchPage, SearchQuery, TimePlace } from '@millrace/search';
import { PAGE_HITS_MAX } from '@millrace/search';
import type { Match } from './match.ts';

export interface IndexStreamParts {
  /** Rejects with StoreUnavailable. */
  ask(this: void, query: SearchQuery): Promise<SearchPage>;
  /** In their order; null for one that is no hit. */
  check(this: void, hits: readonly SearchHit[]): Promise<readonly (Match | null)[]>;
}

/** The hits of the index by time, one after the other, of which only those come that are hits still. */
export class IndexStream {
  readonly #parts: IndexStreamParts;
  readonly #lookedMax: number;
  #next: SearchQuery | null;
  #matches: Match[] = [];
  #looked = 0;
  #last: TimePlace | null = null;

  /**
   * @param query - for its first page.
   * @param lookedMax - of the index's hits so many are looked at, and no more (I9).
   */
  constructor(parts: IndexStreamParts, query: SearchQuery, lookedMax: number) {
    this.#parts = parts;
    this.#next = query;
    this.#lookedMax = lookedMax;
  }

  /** Where it ended although the index has more; null when it did not. Of any time, when nothing was looked at. */
  get cutAt(): TimePlace | null {
    return this.#matches.length === 0 && this.#next !== null && this.#looked >= this.#lookedMax ? this.#last : null;
  }

  /** The next one; null at the end. */
  async peek(): Promise<Match | null> {
    while (this.#matches.length === 0 && this.#next !== null && this.#looked < this.#lookedMax) {
      const query = this.#next;
      const { hits, next } = await this.#parts.ask(query);
      const { behind: _behind, ...asked } = query;
      this.#looked += hits.length;
      this.#next = next === null ? null : { ...asked, limit: PAGE_HITS_MAX, cursor: next };
      this.#last = hits.at(-1) ?? this.#last;
      this.#matches = (await this.#parts.check(hits)).filter((match) => match !== null);
    }
    return this.#matches[0] ?? null;
  }

  take(): void {
    this.#matches.shift();
  }
}

/** A hit with where it came from. */
export interface Told {
  readonly match: Match;
  readonly isFromIndex: boolean;
}

/**
 * The hits of the index and those beside it as one, the newest first. Of those of the same moment the ones beside the index
 * come first: those that the index will have by the next page are not to lie before where that goes on.
 *
 * @param beside - the newest first.
 */
export async function* newestFirst(stream: IndexStream, beside: readonly Match[]): AsyncGenerator<Told, void> {
  let index = 0;
  for (;;) {
    const next = await stream.peek();
    const downTo = next?.at ?? stream.cutAt?.at ?? Number.NEGATIVE_INFINITY;
    for (let match = beside[index]; match !== undefined && match.at >= downTo; match = beside[index]) {
      index += 1;
      yield { match, isFromIndex: false };
    }
    if (next === null) return;
    stream.take();
    yield { match: next, isFromIndex: true };
  }
}
