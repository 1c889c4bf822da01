import type { Clock, Timers } from '@millrace/kernel';

/** Time that moves when a test says so, and callbacks that run then. */
export class HandDriven {
  #nowMs = 1_000;
  #soon: (() => void)[] = [];
  #later: { readonly atMs: number; readonly callback: () => void; cancelled: boolean }[] = [];

  readonly clock: Clock = { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs };
  readonly timers: Timers = {
    after: (delayMs, callback) => {
      const timer = { atMs: this.#nowMs + delayMs, callback, cancelled: false };
      this.#later.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
    soon: (callback) => {
      this.#soon.push(callback);
    },
  };

  /** Lets everything happen that can without time passing. */
  async settle(): Promise<void> {
    do {
      const due = this.#soon;
      this.#soon = [];
      for (const callback of due) callback();
      // Chains of promises that are resolved already: as many steps as any of them is long.
      for (let step = 0; step < 50; step += 1) await Promise.resolve();
    } while (this.#soon.length > 0);
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await this.settle();
    for (;;) {
      this.#later = this.#later.filter(({ cancelled }) => !cancelled);
      this.#later.sort((left, right) => left.atMs - right.atMs);
      const next = this.#later[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#later.shift();
      this.#nowMs = next.atMs;
      next.callback();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }
}
