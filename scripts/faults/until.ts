import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/** Waits for a condition of the outside world. @throws with `what` when it does not come true in time. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, msMax: number): Promise<void> {
  const deadlineMs = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${String(msMax / 1000)} s: ${what}`);
    await sleep(POLL_MS);
  }
}
