import type { Timers } from '@millrace/kernel';

/** One write of this size is as good as one of any. */
const WRITE_BYTES_MAX = 262_144;

/**
 * How many bytes a socket gathers before it writes within the turn. Far below its bound, so that what counts as
 * buffered is what the peer has not taken, and not what nobody has offered to it yet.
 */
export const flushedAt = (maxSendBufferBytes: number): number => Math.min(WRITE_BYTES_MAX, maxSendBufferBytes / 4);

/** Things to be flushed once at the end of the turn of the event loop in which the first of them was added. */
export class TurnQueue<T> {
  readonly #timers: Timers;
  readonly #flushOne: (item: T) => void;
  readonly #afterAll: () => void;
  #items: T[] = [];
  #scheduled = false;

  /** @param afterAll - called once behind each round that flushed something. */
  constructor(timers: Timers, flushOne: (item: T) => void, afterAll: () => void = () => undefined) {
    this.#timers = timers;
    this.#flushOne = flushOne;
    this.#afterAll = afterAll;
  }

  /** The caller adds an item at most once until it is flushed. */
  add(item: T): void {
    this.#items.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.soon(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    for (const item of items) this.#flushOne(item);
    this.#afterAll();
  }
}
