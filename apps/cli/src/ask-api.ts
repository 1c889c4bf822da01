import { err, ok, type Result } from '@millrace/kernel';
import { fetchFault } from './endpoints.ts';

/**
 * Why there is no answer. `key`: the API key is not good for it; `refused`: the server says no, and why; `stranger`: what
 * answers is no Millrace server; `away`: nothing answers.
 */
export interface ApiFault {
  readonly kind: 'key' | 'refused' | 'stranger' | 'away';
  /** HTTP's, 0 without an answer. */
  readonly status: number;
  /** For people: the whole of it, but for `refused`, where it is the server's reason alone. */
  readonly message: string;
}

export interface ApiQuestion<Answer> {
  readonly url: string;
  readonly path: string;
  readonly key: string;
  readonly isAnswer: (value: unknown) => value is Answer;
  /** Sent as JSON by POST; absent for a question that changes nothing. */
  readonly body?: unknown;
  /** Default: `POST` with a body, `GET` without one. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
}

/** Longer than a server takes for its longest answer. */
const ANSWER_MS_MAX = 20_000;

function refusal(url: string, status: number, body: unknown): ApiFault {
  const { error } = (body ?? {}) as { readonly error?: { readonly message?: unknown } };
  const reason = typeof error?.message === 'string' ? error.message : `HTTP status ${String(status)}`;
  if (status !== 401 && status !== 403) return { kind: 'refused', status, message: reason };
  const message = `${url} refuses the API key: ${reason}. It takes one with the scope admin: by --key or MILLRACE_API_KEY.`;
  return { kind: 'key', status, message };
}

/** Asks the HTTP API. A question that changes something must be one that may come again: its answer may be lost. */
export async function askApi<Answer>(
  { url, path, key, isAnswer, body, method = body === undefined ? 'GET' : 'POST' }: ApiQuestion<Answer>,
  interrupted: AbortSignal,
): Promise<Result<Answer, ApiFault>> {
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS_MAX), interrupted]),
    });
    const answer: unknown = await response.json().catch(() => null);
    if (!response.ok) return err(refusal(url, response.status, answer));
    if (isAnswer(answer)) return ok(answer);
    const message = `${url} answers with something else: is this a Millrace server?`;
    return err({ kind: 'stranger', status: response.status, message });
  } catch (error) {
    return err({ kind: 'away', status: 0, message: fetchFault(url, error) });
  }
}
