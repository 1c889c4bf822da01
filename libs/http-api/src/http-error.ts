import { frameError, type ErrorCode, type FrameError } from '@millrace/protocol';

/** The one form of every refusal. */
export interface ErrorBody {
  readonly error: FrameError;
}

/** HTTP's word for each error code; `retry` in the body stays the authority on what to do. */
export const statusOf = {
  bad_frame: 400,
  bad_request: 400,
  too_large: 413,
  unauthenticated: 401,
  token_expired: 401,
  forbidden: 403,
  not_found: 404,
  not_member: 403,
  conflict: 409,
  limit_reached: 409,
  muted: 403,
  slow_mode: 429,
  banned: 403,
  blocked: 403,
  not_mentionable: 403,
  gone: 410,
  out_of_order: 409,
  expired: 410,
  regressed: 409,
  rate_limited: 429,
  overloaded: 503,
  unavailable: 503,
  draining: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Seconds for `Retry-After`, or null when trying again does not help. */
export function retryAfterSeconds(error: FrameError): number | null {
  if (error.retry !== 'later') return null;
  return Math.max(1, Math.ceil((error.retryAfterMs ?? 1_000) / 1_000));
}

/** The names of Fastify's own refusals that we give a meaning; anything else with a 4xx status is `bad_request`. */
const knownFastifyCodes: Readonly<Record<string, () => { readonly status?: number; readonly error: FrameError }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => ({ error: frameError('too_large', 'the body is larger than this server takes') }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => ({
    status: 415,
    error: frameError('bad_request', 'send the body as application/json'),
  }),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => ({ error: frameError('bad_request', 'the body is empty, it must be JSON') }),
  FST_ERR_CTP_INVALID_JSON_BODY: () => ({ error: frameError('bad_request', 'the body is not JSON') }),
  FST_ERR_BAD_URL: () => ({ error: frameError('bad_request', 'the path is not a well-formed percent-encoded one') }),
  FST_ERR_MAX_PARAM_LENGTH: () => ({ error: frameError('bad_request', 'a part of the path is too long') }),
  FST_ERR_HANDLER_TIMEOUT: () => ({
    error: frameError('unavailable', 'it took too long; what was asked may still happen, a retry is safe'),
  }),
};

/**
 * What a thrown error becomes. The text of an error that we did not make is never shown: it may quote the request or
 * tell about our insides. Null for a bug or anything unexpected, which the caller logs.
 */
export function refusalOfThrown(thrown: unknown): { readonly status: number; readonly error: FrameError } | null {
  const { code, statusCode } = thrown as { readonly code?: unknown; readonly statusCode?: unknown };
  const known = typeof code === 'string' ? knownFastifyCodes[code]?.() : undefined;
  if (known !== undefined) return { status: known.status ?? statusOf[known.error.code], error: known.error };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return { status: 400, error: frameError('bad_request', 'the request could not be read') };
  }
  return null;
}
