import { systemTimers, type Clock, type Timers } from '@millrace/kernel';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Events without an end to the run: it goes in circles. */
const EVENTS_MAX = 1_000_000;

const BORN_MS = 1_700_000_000_000;

const isBefore = (left: Event, right: Event): boolean =>
  left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs;

/**
 * A clock that stands still until everything of an instant has happened, and then jumps to the next one. Events of one
 * instant happen in the order in which they were planned, so that a run depends on nothing but its seed.
 */
export class VirtualTime {
  #nowMs = 0;
  #planned = 0;
  #happened = 0;
  /** A binary heap, the next one first. */
  readonly #heap: Event[] = [];

  readonly clock: Clock = { nowMs: () => BORN_MS + Math.floor(this.#nowMs), monotonicMs: () => this.#nowMs };
  readonly timers: Timers = {
    after: (delayMs, callback) => {
      const event = this.#plan(this.#nowMs + Math.max(0, delayMs), callback);
      return () => {
        event.cancelled = true;
      };
    },
    soon: (callback) => {
      this.#plan(this.#nowMs, callback);
    },
  };

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened: the length of the run. */
  get happened(): number {
    return this.#happened;
  }

  /** How many events are planned, those that were cancelled too. */
  get planned(): number {
    return this.#heap.length;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.timers.after(delayMs, resolve);
    });
  }

  /** Runs until `isDone`, and no longer than until `untilMs`. @returns whether it was done. */
  async run(isDone: () => boolean, untilMs: number): Promise<boolean> {
    const happenedMax = this.#happened + EVENTS_MAX;
    for (;;) {
      await this.#drain();
      if (isDone()) return true;
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs || this.#happened > happenedMax) return false;
      this.#nowMs = next.atMs;
      // What these plan for the same instant happens after all of them, and after the promises that they resolve.
      const planned = this.#planned;
      for (let event = this.#heap[0]; event !== undefined; event = this.#heap[0]) {
        if (event.atMs > this.#nowMs || event.order >= planned || this.#happened > happenedMax) break;
        this.#pop();
        if (event.cancelled) continue;
        this.#happened += 1;
        event.callback();
      }
    }
  }

  /** Lets every promise that is resolved already run on. */
  #drain(): Promise<void> {
    return new Promise((resolve) => {
      systemTimers.soon(resolve);
    });
  }

  #plan(atMs: number, callback: () => void): Event {
    const event: Event = { atMs, order: this.#planned, callback, cancelled: false };
    this.#planned += 1;
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
    return event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      if (left === undefined) break;
      const right = heap[2 * at + 2];
      const lesser = right !== undefined && isBefore(right, left) ? right : left;
      if (isBefore(last, lesser)) break;
      heap[at] = lesser;
      at = lesser === left ? 2 * at + 1 : 2 * at + 2;
    }
    heap[at] = last;
  }
}
