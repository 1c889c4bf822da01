import type { NodeId, PartitionId, Result } from '@millrace/kernel';
import type { ActorKey, AnsweredAt, TimelineHead } from '@millrace/timeline';
import type { ClaimAnswer, Commit, CommitIdentity, CommitOutcome, SentCommit } from './commit.ts';
import type { OwnerToken } from './owner-token.ts';

/** What is stored of one actor. */
export interface ActorRecord {
  /** Null for an actor that was never written. */
  readonly head: TimelineHead | null;
  readonly fields: ReadonlyMap<string, Uint8Array>;
}

/** One changefeed entry as it was committed. */
export interface FeedEntry {
  readonly commitNo: number;
  readonly data: Uint8Array;
}

/** The store could not be asked or refused; nothing that was asked may be assumed to have happened, or not. */
export interface StoreError {
  readonly code: 'unavailable';
  readonly message: string;
}

/**
 * Where partitions are kept. One suite (`@millrace/partition/conformance`) holds every implementation to this:
 *
 * - `commit` never rejects; it answers as {@link CommitOutcome} says, and it executes a commit at most once however
 *   often it is called with it. It must not retry behind the caller's back (I5).
 * - `claim` raises the epoch above the stored one and above `aboveEpoch`, writes the new token, and changes
 *   nothing else: a claim that is not settled leaves the evidence of a loss in place.
 * - `release` marks a clean stop, if the token still holds and the store stands at `commitNo`, the owner's last commit:
 *   a store that lost its end meanwhile must not look as if nothing were missing. See {@link ClaimFound.releasedIn}.
 * - Reads answer what is stored, not what is acknowledged: only the owner calls them.
 */
export interface PartitionStore {
  claim(partition: PartitionId, node: NodeId, aboveEpoch: number): Promise<Result<ClaimAnswer, StoreError>>;
  commit(commit: Commit): Promise<CommitOutcome>;
  /**
   * The same as `commit` of what was {@link Commit.memo | left} of it, under this token: also once what it was made of is gone. A
   * store that leaves nothing has none.
   */
  sendAgain?(identity: CommitIdentity, sent: SentCommit): Promise<CommitOutcome>;
  /**
   * Calls `turn` once, never before this returns, as soon as what it commits would be on its way at once: what comes for the
   * partition until then goes into the same commit. Turns that reach the same server are called in the order in which they
   * came. A store in which commits do not wait for one another has none: then it is called behind this turn of the event loop.
   */
  whenRoom?(partition: PartitionId, turn: () => void): void;
  release(partition: PartitionId, token: OwnerToken, commitNo: number, givenIn: number): Promise<void>;
  loadActor(partition: PartitionId, actor: ActorKey): Promise<Result<ActorRecord, StoreError>>;
  /** Of an actor only these fields, those that it has. Those asked for in one turn go together. */
  loadFields(
    partition: PartitionId,
    actor: ActorKey,
    fields: readonly string[],
  ): Promise<Result<ActorRecord, StoreError>>;
  /** Entries after `afterCommitNo`, oldest first, at most `limit`. */
  readFeed(
    partition: PartitionId,
    afterCommitNo: number,
    limit: number,
  ): Promise<Result<readonly FeedEntry[], StoreError>>;
  /**
   * The last claim and the last commit that are stored now. A store that has lost its end has less than was acknowledged, until the
   * owner has replayed it: what was read of it meanwhile may lack that.
   */
  stands(partition: PartitionId): Promise<Result<AnsweredAt, StoreError>>;
}
