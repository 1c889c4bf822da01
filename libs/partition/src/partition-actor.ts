import type { ActorWrite } from './commit.ts';

/** What a command came to: the reply leaves, and the effects happen, after the commit and not before (I1). */
export interface Handled<Reply, Effect> {
  readonly reply: Reply;
  readonly effects: readonly Effect[];
}

/** How far the commits of a partition have come when one of its actors decides. */
export interface CommitsBefore {
  /** Of the claim that what is decided now is stored under, as the store has it. */
  readonly token: string;
  /** The number of the last one: what is decided now is stored with the next. */
  readonly last: number;
  /** Those up to this one are in all their destinations, and are not followed up again, whatever happens. */
  readonly doneTo: number;
}

/** Of what is never stored: nothing of it is followed up. */
export const NO_COMMITS: CommitsBefore = { token: '', last: 0, doneTo: Number.MAX_SAFE_INTEGER };

/**
 * The in-memory state and single writer of one conversation or user, as its partition drives it. Does no I/O.
 */
export interface PartitionActor<Command, Reply, Effect> {
  /** About one for each member, device or conversation that it remembers, at least 1. */
  readonly weight: number;
  /**
   * Applies one command to the state. Throws only for a bug of ours; the partition then restores the whole batch
   * and does it again without that command.
   */
  handle(command: Command, nowMs: number, commits: CommitsBefore): Handled<Reply, Effect>;
  /** Everything that changed since the last commit, null for nothing. Its entries are in rising seq. */
  pendingWrite(): ActorWrite | null;
  /**
   * What goes beside that into the same commit, into a record without a Timeline in the same partition; null for nothing.
   * Never without a pending write.
   */
  writeBeside?(): ActorWrite | null;
  /** The pending write is stored. */
  settle(): void;
  /** The pending write was refused: back to what is stored (I2). */
  restore(): void;
}
