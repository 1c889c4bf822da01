import { systemClock, systemTimers, type Cancel, type Clock, type Timers } from './clock.ts';

/** Far more than a turn of a server that is merely busy takes. */
const WAIT_MS_MAX = 20;

interface Waiting {
  /** Null once it ran. */
  callback: (() => void) | null;
  readonly sinceMs: number;
}

/**
 * Timers whose `soon` does not wait for the end of a turn that takes too long.
 *
 * A turn of the event loop first handles all I/O that is there, and what comes meanwhile: thousands of clients that connect
 * at the same moment are one turn of hundreds of milliseconds. What was put off until the end of the turn, so that more of it
 * comes together, is then put off for as long. So whoever handles events in great numbers calls `catchUp` before each.
 *
 * (P1) A callback runs once, in the order in which they were given; when one throws, those behind it run nevertheless.
 * (P2) `catchUp` does nothing from within a callback of its own.
 */
export class PromptTimers implements Timers {
  readonly #timers: Timers;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #waitMsMax: number;
  readonly #waiting: Waiting[] = [];
  #isCatchingUp = false;

  /** @param waitMsMax - how long a callback may have waited when `catchUp` is called, milliseconds. */
  constructor(timers: Timers, clock: Pick<Clock, 'monotonicMs'>, waitMsMax = WAIT_MS_MAX) {
    this.#timers = timers;
    this.#clock = clock;
    this.#waitMsMax = waitMsMax;
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#timers.after(delayMs, callback);
  }

  soon(callback: () => void): void {
    const one: Waiting = { callback, sinceMs: this.#clock.monotonicMs() };
    this.#waiting.push(one);
    this.#timers.soon(() => {
      if (this.#waiting[0] === one) this.#waiting.shift();
      this.#run(one);
    });
  }

  catchUp(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#isCatchingUp) return;
    if (this.#clock.monotonicMs() - first.sinceMs < this.#waitMsMax) return;
    this.#isCatchingUp = true;
    try {
      // When one throws, those behind it stay first in the line. What is put off meanwhile waits as long again.
      for (let left = this.#waiting.length; left > 0; left -= 1) {
        const one = this.#waiting.shift();
        if (one !== undefined) this.#run(one);
      }
    } finally {
      this.#isCatchingUp = false;
    }
  }

  #run(one: Waiting): void {
    const { callback } = one;
    one.callback = null;
    callback?.();
  }
}

/** Those of a process that takes sockets. */
export const promptTimers = (): PromptTimers => new PromptTimers(systemTimers, systemClock);
