import type { Cancel, Clock, Timers } from '@millrace/kernel';

export interface Dated {
  /** Monotonic milliseconds. */
  readonly untilMs: number;
  /** Whether it is waited for: at first false, and then changed here alone. */
  isOpen: boolean;
}

/** What is taken out stays in the line until half of that is such, or it is all there is before the next one. */
const COMPACTED_AT = 1_024;

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
 * (D2) One timer for all of them, and a line instead of a set: it is on the way of every message, and mostly those that
 *      came first are taken out first.
 */
export class Deadlines<Item extends Dated> {
  /** In the order in which they were added, which is that of their times; some are taken out already. */
  #line: (Item | undefined)[] = [];
  /** Those before it have left the line. */
  #first = 0;
  /** Those in the line that are waited for. */
  #open = 0;
  /** Those whose time has come, and which are not hopeless. */
  readonly #late = new Set<Item>();
  readonly #parts: DeadlinesParts<Item>;
  #timer: Cancel | null = null;

  constructor(parts: DeadlinesParts<Item>) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open + this.#late.size;
  }

  /** @param item - one that was never added; its time is not before that of any that was added earlier. */
  add(item: Item): void {
    item.isOpen = true;
    this.#line.push(item);
    this.#open += 1;
    if (this.#timer === null) this.#sweepLater(item.untilMs);
  }

  /** @returns whether it was there. */
  delete(item: Item): boolean {
    if (!item.isOpen) return false;
    item.isOpen = false;
    if (this.#late.size > 0 && this.#late.delete(item)) return true;
    this.#open -= 1;
    this.#tidy();
    return true;
  }

  /** The oldest one in the line that is waited for. */
  get #next(): Item | undefined {
    for (let item = this.#line[this.#first]; item !== undefined; item = this.#line[this.#first]) {
      if (item.isOpen) return item;
      this.#leave();
    }
    return undefined;
  }

  /** The first one leaves the line, and is not held on to. */
  #leave(): void {
    this.#line[this.#first] = undefined;
    this.#first += 1;
  }

  #tidy(): void {
    if (this.#next === undefined) {
      this.#line = [];
      this.#first = 0;
    } else if (this.#line.length >= Math.max(COMPACTED_AT, this.#open * 2)) {
      this.#line = this.#line.filter((item) => item?.isOpen === true);
      this.#first = 0;
    }
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
    for (let item = this.#next; item !== undefined && item.untilMs <= nowMs; item = this.#next) {
      this.#leave();
      this.#open -= 1;
      this.#late.add(item);
    }
    this.#tidy();
    for (const item of this.#late) {
      if (!isHopeless(item, nowMs)) continue;
      this.#late.delete(item);
      item.isOpen = false;
      over(item);
    }
    // What `over` did may have planned it already, for later.
    this.#timer?.();
    this.#timer = null;
    const dueMs = this.#late.size > 0 ? nowMs : this.#next?.untilMs;
    if (dueMs !== undefined) this.#sweepLater(dueMs);
  }
}
