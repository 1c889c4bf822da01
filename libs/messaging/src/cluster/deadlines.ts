import type { Cancel, Clock, Timers } from '@millrace/kernel';

export interface Dated {
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

/**
 * Things that are to be done by a time of their own, all of them given the same time to be done in.
 *
 * (D1) What is added is over `sweepMs` after its time at the latest, unless it was taken out before: `over` is called
 *      once for it, never in the call that added it.
 * (D2) One timer for all of them: on the way of every message a timer for each would cost more than the map entry.
 */
export class Deadlines<Item extends Dated> {
  /** In the order in which they were added, which is that of their times. */
  readonly #open = new Set<Item>();
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #sweepMs: number;
  readonly #over: (item: Item) => void;
  #timer: Cancel | null = null;

  constructor(clock: Clock, timers: Timers, sweepMs: number, over: (item: Item) => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#sweepMs = sweepMs;
    this.#over = over;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param item - its time is not before that of any that was added earlier. */
  add(item: Item): void {
    this.#open.add(item);
    if (this.#timer === null) this.#sweepLater(item.untilMs);
  }

  /** @returns whether it was there. */
  delete(item: Item): boolean {
    return this.#open.delete(item);
  }

  #sweepLater(dueMs: number): void {
    const delayMs = Math.max(this.#sweepMs, dueMs - this.#clock.monotonicMs());
    this.#timer = this.#timers.after(delayMs, () => {
      this.#timer = null;
      this.#sweep();
    });
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const item of this.#open) {
      if (item.untilMs > nowMs) {
        // What `over` did may have planned it already.
        if (this.#timer === null) this.#sweepLater(item.untilMs);
        return;
      }
      this.#open.delete(item);
      this.#over(item);
    }
  }
}
