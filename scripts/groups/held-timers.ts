import { systemTimers, type Cancel, type Timers } from '@millrace/kernel';

/** Timers that can be made to stand still: what comes due meanwhile is done when they go on. */
export class HeldTimers implements Timers {
  /** What came due; null while they run. */
  #due: Set<() => void> | null = null;

  hold(): void {
    this.#due ??= new Set();
  }

  release(): void {
    const due = this.#due;
    this.#due = null;
    for (const callback of due ?? []) callback();
  }

  after(delayMs: number, callback: () => void): Cancel {
    const due = (): void => {
      callback();
    };
    const cancel = systemTimers.after(delayMs, () => {
      this.#run(due);
    });
    return () => {
      cancel();
      this.#due?.delete(due);
    };
  }

  soon(callback: () => void): void {
    systemTimers.soon(() => {
      this.#run(callback);
    });
  }

  #run(callback: () => void): void {
    if (this.#due === null) callback();
    else this.#due.add(callback);
  }
}
