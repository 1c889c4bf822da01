import type { ErrorCode, FrameError, Retry } from '@millrace/protocol';

/**
 * The server's codes, and four of the client's own:
 *
 * - `closed`: the client was closed, or was told not to come back. A queued message stays in the outbox.
 * - `timeout`: no answer came in time, over all retries. What was asked may have happened.
 * - `outbox_full`: more messages wait than `outboxMax`.
 * - `counter_reused`: this device's storage is older than what the server remembers of it (it was copied or rolled
 *   back), so this message was not stored. Discard the storage, or use another one.
 */
export type ClientErrorCode = ErrorCode | 'closed' | 'timeout' | 'outbox_full' | 'counter_reused';

/** Why a promise of the client was rejected. `retry` says whether asking again can help. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ClientErrorCode;
  readonly retry: Retry;
  /** What the server said, when it was the server that refused. */
  readonly refusal: FrameError | null;

  constructor(code: ClientErrorCode, message: string, retry: Retry, refusal: FrameError | null = null) {
    super(message);
    this.code = code;
    this.retry = retry;
    this.refusal = refusal;
  }
}

export function refusedBy(error: FrameError): MillraceError {
  return new MillraceError(error.code, error.message, error.retry, error);
}
