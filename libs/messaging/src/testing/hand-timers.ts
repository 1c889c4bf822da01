import type { Timers } from '@millrace/kernel';

/** Timers whose waits are over when the test says so. */
export class HandTimers implements Timers {
  #waiting: (() => void)[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  after(_delayMs: number, callback: () => void): () => void {
    this.#waiting.push(callback);
    return () => undefined;
  }

  soon(callback: () => void): void {
    callback();
  }

  /** All that wait now have waited long enough. */
  elapse(): void {
    for (const callback of this.#waiting.splice(0)) callback();
  }
}
