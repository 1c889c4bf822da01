import type { Clock, Timers } from '@millrace/kernel';

/** Time that stands still until it is told to run. Nothing happens but in {@link run}, promises aside. */
export class HandTime implements Clock, Timers {
  #nowMs = 0;
  #due: { readonly atMs: number; readonly callback: () => void }[] = [];

  nowMs = (): number => this.#nowMs;
  monotonicMs = (): number => this.#nowMs;
  soon = (callback: () => void): void => {
    this.after(0, callback);
  };
  after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#due.push(timer);
    return () => (this.#due = this.#due.filter((other) => other !== timer));
  };

  /** Lets everything happen that is due within `ms`, and whatever that brings about. */
  async run(ms = 0): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await new Promise(setImmediate);
      const next = this.#due.filter(({ atMs }) => atMs <= untilMs).sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined) break;
      this.#due = this.#due.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}
