export interface RestartLimits {
  /** Before the first start again, and before each further one twice as long. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** A process that served for so long was well: what happened before does not count any more. */
  readonly steadyMs: number;
}

export const defaultRestartLimits: RestartLimits = { firstMs: 100, mostMs: 10_000, steadyMs: 30_000 };

/** How a process ended. */
export interface Ending {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** How long it served, milliseconds; null when it never did. */
  readonly servedMs: number | null;
  /** It was told to stop, and did. */
  readonly wasAsked: boolean;
}

/**
 * When a process is started again.
 *
 * @param failures - ends in a row before this one, none of them after a steady time.
 * @returns the failures now, and the wait in milliseconds.
 */
export function nextStart(
  failures: number,
  ending: Ending,
  limits: RestartLimits = defaultRestartLimits,
): { readonly failures: number; readonly delayMs: number } {
  if (ending.wasAsked && ending.code === 0) return { failures: 0, delayMs: 0 };
  const before = ending.servedMs !== null && ending.servedMs >= limits.steadyMs ? 0 : failures;
  return { failures: before + 1, delayMs: Math.min(limits.mostMs, limits.firstMs * 2 ** before) };
}

/** Why it ended, in words. */
export function describeEnding({ code, signal, wasAsked }: Ending): string {
  if (signal !== null) return `it was ended by ${signal}`;
  if (wasAsked && code === 0) return 'it was told to stop';
  return `it ended with exit code ${String(code)}`;
}
