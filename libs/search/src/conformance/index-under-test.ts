import type { SearchIndex } from '../search-index.ts';

/** One empty index behind its port. */
export interface IndexUnderTest {
  readonly index: SearchIndex;
  /** Closes what is open, and opens another one on what was stored. */
  reopen(): Promise<SearchIndex>;
  close(): Promise<void>;
}

/** Opens an index that holds nothing yet. Called for each test. */
export type OpenIndex = () => Promise<IndexUnderTest>;
