import type { Random } from '@millrace/kernel';

export interface BackoffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Full jitter: anywhere from 0 up to `initialMs · 2^attempt`, never above `maxMs`. `attempt` counts from 0. */
export function backoffMs(attempt: number, { initialMs, maxMs }: BackoffLimits, random: Random): number {
  const ceiling = Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random.fraction() * ceiling);
}
