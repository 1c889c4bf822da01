import type { FrameError, Reconnect } from '@millrace/protocol';

/**
 * Why a request has no answer of its own kind:
 *
 * - `refused`: the server said no; `error.retry` tells what to do.
 * - `lost`: the connection ended first. Whether the request was carried out is not known (I5): every request of the
 *   protocol may be repeated on a new connection, `reconnect` tells when.
 */
export type SessionError =
  | { readonly kind: 'refused'; readonly error: FrameError }
  | { readonly kind: 'lost'; readonly closeCode: number; readonly reason: string; readonly reconnect: Reconnect };

export function describeSessionError(error: SessionError): string {
  if (error.kind === 'refused') return `${error.error.code}: ${error.error.message}`;
  const reason = error.reason === '' ? '' : `: ${error.reason}`;
  return `the connection was lost (${String(error.closeCode)}${reason})`;
}
