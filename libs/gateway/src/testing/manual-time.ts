import type { Cancel, Clock, Timers } from '@millrace/kernel';

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualTime implements Clock, Timers {
  /** Wall time may be moved by itself: nothing but display may follow. */
  wallMs = 1_700_000_000_000;
  #monotonicMs = 1_000;
  #timers = new Set<Timer>();
  #soon: (() => void)[] = [];

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = { atMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Lets promises and turns of the event loop go on until nothing is left to do at this moment. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await new Promise((resolve) => setImmediate(resolve));
      const due = this.#soon;
      this.#soon = [];
      for (const run of due) run();
      quiet = due.length === 0 ? quiet + 1 : 0;
    }
  }

  /** Lets time pass, each timer at its moment. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    for (;;) {
      const next = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#pass(next.atMs);
      next.run();
      await this.settle();
    }
    this.#pass(untilMs);
    await this.settle();
  }

  #pass(atMs: number): void {
    this.wallMs += atMs - this.#monotonicMs;
    this.#monotonicMs = atMs;
  }
}
