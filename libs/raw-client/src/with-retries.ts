import type { Random, Result } from '@millrace/kernel';
import type { SessionError } from './session-error.ts';

export interface RetryPolicy {
  /** Full jitter: a wait is anything up to `initialMs · 2^attempt`, never above `maxMs`. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** Of the first try and all others together. */
  readonly attemptsMax: number;
  readonly random: Random;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** Told before each wait. */
  readonly onRetry?: (error: SessionError, attempt: number, delayMs: number) => void;
}

/** @param attempt - from 0. */
export function backoffMs(policy: Pick<RetryPolicy, 'initialMs' | 'maxMs' | 'random'>, attempt: number): number {
  return policy.random.fraction() * Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt, 30));
}

function mayHelp(error: SessionError): boolean {
  if (error.kind === 'lost') return error.reconnect !== 'never';
  return error.error.retry === 'later' || error.error.retry === 'token';
}

/**
 * Repeats `attempt` while the server asks for patience or the connection is lost. What it does must be the same
 * request each time; `in_order`, `sync` and `never` are the caller's to answer.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  attempt: (attempt: number) => Promise<Result<T, SessionError>>,
): Promise<Result<T, SessionError>> {
  for (let tried = 0; ; tried += 1) {
    const outcome = await attempt(tried);
    if (outcome.ok || !mayHelp(outcome.error) || tried + 1 >= policy.attemptsMax) return outcome;
    const asked = outcome.error.kind === 'refused' ? (outcome.error.error.retryAfterMs ?? 0) : 0;
    // On top of what was asked for, so that those refused together do not all come back together.
    const delayMs = asked + backoffMs(policy, tried);
    policy.onRetry?.(outcome.error, tried, delayMs);
    await policy.sleep(delayMs);
  }
}
