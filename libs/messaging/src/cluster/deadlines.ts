import type { Cancel, Clock, Timers } from '@millrace/kernel';

export interface Dated {
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

export interface DeadlinesParts<Item> {
  readonly clock: Clock;
  readonly timers: Timers;
  /** At least between two looks, milliseconds. */
  readonly sweepMs: number;
  /** Whether there is no more hope for one whose time has come. It is asked again with each look until there is none. */
  readonly isHopeless: (item: Item, nowMs: number) => boolean;
  readonly over: (item: Item) => void;
}

/**
 * Things that are to be done by a time of their own, all of them given the same time to be done in.
 *
 * (D1) What is added is over `sweepMs` after its time at the latest, or after it is hopeless if that is later, unless it
 *      was taken out before: `over` is called once for it, never in the call that added it.
 * (D2) One timer for all of them: on the way of every message a timer for each would cost more than the map entry.
 */
export class Deadlines<Item extends Dated> {
  /** In the order in which they were added, which is that of their times. */
  readonly #open = new Set<Item>();
  /** Those whose time has come, and which are not hopeless. */
  readonly #late = new Set<Item>();
  readonly #parts: DeadlinesParts<Item>;
  #timer: Cancel | null = null;

  constructor(parts: DeadlinesParts<Item>) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size + this.#late.size;
  }

  /** @param item - its time is not before that of any that was added earlier. */
  add(item: Item): void {
    this.#open.add(item);
    if (this.#timer === null) this.#sweepLater(item.untilMs);
  }

  /** @returns whether it was there. */
  delete(item: Item): boolean {
    return this.#open.delete(item) || this.#late.delete(item);
  }

  #sweepLater(dueMs: number): void {
    const { clock, timers, sweepMs } = this.#parts;
    const delayMs = Math.max(sweepMs, dueMs - clock.monotonicMs());
    this.#timer = timers.after(delayMs, () => {
      this.#timer = null;
      this.#sweep();
    });
  }

  #sweep(): void {
    const { clock, isHopeless, over } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const item of this.#open) {
      if (item.untilMs > nowMs) break;
      this.#open.delete(item);
      this.#late.add(item);
    }
    for (const item of this.#late) {
      if (!isHopeless(item, nowMs)) continue;
      this.#late.delete(item);
      over(item);
    }
    // What `over` did may have planned it already.
    if (this.#timer !== null) return;
    const [next] = this.#open;
    if (this.#late.size > 0) this.#sweepLater(nowMs);
    else if (next !== undefined) this.#sweepLater(next.untilMs);
  }
}
