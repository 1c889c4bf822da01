/**
 * What a client does about an error:
 *
 * - `never`: the same request will be refused again.
 * - `later`: the same request again, after `retryAfterMs` or with back-off.
 * - `in_order`: send what is missing first (`expected`).
 * - `sync`: sync, then decide anew.
 * - `token`: get a new token first.
 */
export type Retry = 'never' | 'later' | 'in_order' | 'sync' | 'token';

/** Every error code with what to do about it: the one place that decides. */
export const errorRetry = {
  bad_frame: 'never',
  bad_request: 'never',
  too_large: 'never',
  unauthenticated: 'token',
  token_expired: 'token',
  forbidden: 'never',
  not_found: 'never',
  not_member: 'never',
  /** It is older than what the conversation keeps, which begins with `from`. */
  gone: 'never',
  conflict: 'never',
  limit_reached: 'never',
  /** This member, or every mere member, does not write here; `retryAfterMs` when that has an end. */
  muted: 'never',
  /** This member wrote a moment ago: see `retryAfterMs`. */
  slow_mode: 'later',
  /** The user may not come into this conversation. */
  banned: 'never',
  /** The other one of a direct conversation has blocked this user. */
  blocked: 'never',
  /** A message mentions a user who is no member. */
  not_mentionable: 'never',
  /** The message does not follow the last one that was accepted; `expected` is that one's counter + 1. */
  out_of_order: 'in_order',
  /** The client message id is older than what is remembered, or was skipped: it was answered long ago, or never sent. */
  expired: 'never',
  /** History after `from` was lost in a generation that ended; read again behind `from`. */
  regressed: 'sync',
  rate_limited: 'later',
  overloaded: 'later',
  unavailable: 'later',
  draining: 'later',
  internal: 'never',
} as const satisfies Record<string, Retry>;

export type ErrorCode = keyof typeof errorRetry;

export interface FrameError {
  readonly code: ErrorCode;
  /** For people: what was wrong and what to do. */
  readonly message: string;
  readonly retry: Retry;
  readonly retryAfterMs?: number;
  /** With `out_of_order`: the last counter that was accepted, + 1. */
  readonly expected?: number;
  /** With `regressed`: the last surviving seq of the generation that was asked for. With `gone`: the first seq that is kept. */
  readonly from?: number;
}

export function frameError(
  code: ErrorCode,
  message: string,
  details: Pick<FrameError, 'retryAfterMs' | 'expected' | 'from'> = {},
): FrameError {
  return { code, message, retry: errorRetry[code], ...details };
}

/** Why a field of a frame is refused: `message` names it, shows what came (shortened), and says what would be right. */
export interface FieldProblem {
  readonly code: 'bad_request' | 'too_large';
  readonly message: string;
}

/**
 * WebSocket close codes. The hundreds tell a client whether to reconnect: 4000–4099 at once (with jitter), 4100–4199
 * with back-off, 4200–4299 with a new token only, 4300–4399 not at all.
 */
export const closeCode = {
  draining: 4000,
  moved: 4001,
  slow: 4100,
  overloaded: 4101,
  idle: 4102,
  handshakeTimeout: 4103,
  rateLimited: 4104,
  unavailable: 4105,
  unauthenticated: 4200,
  tokenExpired: 4201,
  revoked: 4202,
  badFrame: 4300,
  tooLarge: 4301,
  forbiddenOrigin: 4302,
  replaced: 4303,
} as const satisfies Record<string, number>;

export type CloseReason = keyof typeof closeCode;

export type Reconnect = 'now' | 'backoff' | 'token' | 'never';

/** What a client does after a close: also for the standard codes (1006 is a lost connection). */
export function reconnectAfter(code: number): Reconnect {
  if (code >= 4000 && code < 4100) return 'now';
  if (code >= 4200 && code < 4300) return 'token';
  if (code >= 4300 && code < 4400) return 'never';
  return 'backoff';
}
