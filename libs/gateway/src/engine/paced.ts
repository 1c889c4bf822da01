import type { Timers } from '@millrace/kernel';

/**
 * Does something with each of many things, so many in a turn of the event loop, in their order. For what comes in crowds: the
 * system tells of thousands of connections in one turn, and whoever sends meanwhile would wait for all of them.
 *
 * (Q1) As long as few come nobody waits, not even for the end of the turn.
 * (Q2) What waits is somebody's connection: their number is bounded where those are (I9).
 */
export class Paced<T> {
  readonly #perTurn: number;
  readonly #timers: Timers;
  readonly #take: (thing: T) => void;
  #waiting: T[] = [];
  #next = 0;
  /** Done in this turn. */
  #done = 0;
  #isTurnDue = false;

  constructor(perTurn: number, timers: Timers, take: (thing: T) => void) {
    this.#perTurn = perTurn;
    this.#timers = timers;
    this.#take = take;
  }

  add(thing: T): void {
    this.#turnSoon();
    if (this.#done < this.#perTurn && this.#next === this.#waiting.length) {
      this.#done += 1;
      this.#take(thing);
    } else this.#waiting.push(thing);
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#timers.soon(() => {
      this.#isTurnDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    const some = this.#waiting.slice(this.#next, this.#next + this.#perTurn - this.#done);
    this.#done = 0;
    this.#next += some.length;
    if (this.#next === this.#waiting.length || this.#next >= 1_024) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#waiting.length > 0) this.#turnSoon();
    for (const thing of some) this.#take(thing);
  }
}
