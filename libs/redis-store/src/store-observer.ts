import type { CommitOutcome } from '@millrace/partition';

/** Told what the store does, for metrics. Called on the hot path: it must be quick and must not throw. */
export interface StoreObserver {
  /** One call with one or more commits was sent. */
  commitSent(writes: number, bytes: number): void;
  /** One commit was answered, `ms` after it was handed to the store. */
  commitAnswered(code: CommitOutcome['code'], ms: number): void;
}

export const silentObserver: StoreObserver = {
  commitSent: () => undefined,
  commitAnswered: () => undefined,
};
