import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition of the outside world. @throws with `what`, as it is by then, when it does not come true in time. */
export async function until(
  what: string | (() => string),
  condition: () => boolean | Promise<boolean>,
  msMax = 30_000,
): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${typeof what === 'string' ? what : what()}`);
    await sleep(10);
  }
}
