import { setTimeout as sleepMs } from 'node:timers/promises';

/** Waits, and keeps the process alive meanwhile; resolves early when `signal` is aborted. */
export async function waitOrAbort(delayMs: number, signal: AbortSignal): Promise<void> {
  await sleepMs(delayMs, undefined, { signal }).catch(() => undefined);
}
