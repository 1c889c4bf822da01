import type { Cancel, Timers } from '@millrace/kernel';

export interface RetryWaitLimits {
  readonly msMin: number;
  readonly msMax: number;
}

/** Of claims, while the store does not answer, or no replica confirms: nobody tells of a replica that is back. */
export const claimRetry: RetryWaitLimits = { msMin: 20, msMax: 250 };

/**
 * The time between two tries of one thing: twice as long each time, and over at once when somebody says that the next
 * try is worth it.
 */
export class RetryWait {
  readonly #timers: Timers;
  readonly #limits: RetryWaitLimits;
  #nextMs: number;
  #isWoken = false;
  #wake: (() => void) | null = null;

  constructor(timers: Timers, limits: RetryWaitLimits) {
    this.#timers = timers;
    this.#limits = limits;
    this.#nextMs = limits.msMin;
  }

  /** The first try of something new is about to be made. */
  reset(): void {
    this.#nextMs = this.#limits.msMin;
    this.#isWoken = false;
  }

  /** Ends the wait, or the next one when a try is under way: what it found out may be of before. */
  wake(): void {
    this.#nextMs = this.#limits.msMin;
    if (this.#wake === null) this.#isWoken = true;
    else this.#wake();
  }

  /** After a try that failed. */
  async wait(): Promise<void> {
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(waitMs * 2, this.#limits.msMax);
    // Even so not at once, so that no try follows another one in the same turn of the event loop.
    await new Promise<void>((resolve) => {
      const cancel: Cancel = this.#timers.after(this.#isWoken ? 0 : waitMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#isWoken = false;
    this.#wake = null;
  }
}
