import type { Result } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { Scope } from './api-keys.ts';

/** What an operation is given of a request, nothing of it checked yet. */
export interface OperationRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** As the client wrote it, without a port; null when it is no host name. */
  readonly host: string | null;
  readonly secure: boolean;
}

export interface OperationAnswer {
  readonly status: number;
  readonly body: object;
}

/** One method of one path: what docs/openapi.yaml calls an operation, by the same `operationId`. */
export interface Operation {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** `open`: no key needed, in no mode. */
  readonly access: Scope | 'open';
  readonly run: (request: OperationRequest) => Promise<Result<OperationAnswer, FrameError>>;
}
