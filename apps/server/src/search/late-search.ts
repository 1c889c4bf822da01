import { err, type Result } from '@millrace/kernel';
import type { SearchIndex, SearchUnavailable } from '@millrace/search';

/** An index that could not be opened yet: `unavailable` until it is. Chat goes on without it. */
export class LateSearch implements SearchIndex {
  #index: SearchIndex | null = null;
  #isClosed = false;
  #why: SearchUnavailable;

  constructor(why: SearchUnavailable) {
    this.#why = why;
  }

  /** Nobody waits for it any more. */
  isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why it is not opened yet. */
  waits(why: SearchUnavailable): void {
    this.#why = why;
  }

  become(index: SearchIndex): void {
    this.#index = index;
  }

  #notYet(): Promise<Result<never, SearchUnavailable>> {
    return Promise.resolve(err(this.#why));
  }

  apply: SearchIndex['apply'] = (...args) => this.#index?.apply(...args) ?? this.#notYet();
  cursor: SearchIndex['cursor'] = (...args) => this.#index?.cursor(...args) ?? this.#notYet();
  indexedThrough: SearchIndex['indexedThrough'] = (...args) => this.#index?.indexedThrough(...args) ?? this.#notYet();
  search: SearchIndex['search'] = (...args) => this.#index?.search(...args) ?? this.#notYet();
  eraseConversation: SearchIndex['eraseConversation'] = (...args) =>
    this.#index?.eraseConversation(...args) ?? this.#notYet();
  eraseSender: SearchIndex['eraseSender'] = (...args) => this.#index?.eraseSender(...args) ?? this.#notYet();
  purge: SearchIndex['purge'] = () => this.#index?.purge() ?? this.#notYet();
  beginRebuild: SearchIndex['beginRebuild'] = () => this.#index?.beginRebuild() ?? this.#notYet();
  finishRebuild: SearchIndex['finishRebuild'] = () => this.#index?.finishRebuild() ?? this.#notYet();
  abandonRebuild: SearchIndex['abandonRebuild'] = () => this.#index?.abandonRebuild() ?? this.#notYet();
  health: SearchIndex['health'] = () => this.#index?.health() ?? this.#notYet();
  stats: SearchIndex['stats'] = () => this.#index?.stats() ?? this.#notYet();

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#index?.close();
  }
}
