import { ok, type Result, type UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { ApiKey, Scope } from './api-keys.ts';

/** What an operation is given of a request, nothing of it checked yet. */
export interface OperationRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** As the client wrote it, without a port; null when it is no host name. */
  readonly host: string | null;
  readonly secure: boolean;
  /** Who asks: a user by their own token, a backend by its key; neither where an operation is open. */
  readonly by: { readonly user: UserId | null; readonly key: ApiKey | null };
}

export interface OperationAnswer {
  readonly status: number;
  readonly body: object;
}

/** One method of one path: what docs/openapi.yaml calls an operation, by the same `operationId`. */
export interface Operation {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** `open`: no key needed, in no mode. `user`: a user's token will do, and any key; the operation looks at its scopes. */
  readonly access: Scope | 'open' | 'user';
  readonly run: (request: OperationRequest) => Promise<Result<OperationAnswer, FrameError>>;
}

/** Leaves out what was not given: under exactOptionalPropertyTypes an `undefined` is a value. */
export function given<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}

/** An outcome as the body of an answer. */
export function answered<T extends object>(
  outcome: Result<T, FrameError>,
  status: (value: T) => number = () => 200,
): Result<OperationAnswer, FrameError> {
  return outcome.ok ? ok({ status: status(outcome.value), body: outcome.value }) : outcome;
}
