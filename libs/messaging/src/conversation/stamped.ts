import type { AnsweredAt } from '@millrace/timeline';

/** An answer that tells where its partition stood: what is read from the store to go with it must not be older. */
export interface Stamped {
  /** A node that runs an earlier version leaves it out. */
  readonly at?: AnsweredAt;
}
