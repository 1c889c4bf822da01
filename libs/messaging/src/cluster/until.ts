import type { Clock, Timers } from '@millrace/kernel';

const POLL_MS = 5;

/** For the few moments of a node's life that wait for several things at once: looks until it is done, or for `msMax`. */
export async function until(clock: Clock, timers: Timers, isDone: () => boolean, msMax: number): Promise<void> {
  const deadline = clock.monotonicMs() + msMax;
  while (!isDone() && clock.monotonicMs() < deadline)
    await new Promise<void>((resolve) => {
      timers.after(POLL_MS, resolve);
    });
}
