import type { Timers } from '@millrace/kernel';

/** Things to be flushed once at the end of the turn of the event loop in which the first of them was added. */
export class TurnQueue<T> {
  readonly #timers: Timers;
  readonly #flushOne: (item: T) => void;
  #items: T[] = [];
  #scheduled = false;

  constructor(timers: Timers, flushOne: (item: T) => void) {
    this.#timers = timers;
    this.#flushOne = flushOne;
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
  }
}
