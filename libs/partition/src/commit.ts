import type { Generation, PartitionId } from '@millrace/kernel';
import type { ActorKey, Position, TimelineHead } from '@millrace/timeline';
import type { OwnerToken } from './owner-token.ts';

/** `memory`: Redis accepted it. `disk`: the append-only file was fsynced. `replicated`: a replica has it, too. */
export type AckLevel = 'memory' | 'disk' | 'replicated';

/** What one commit changes of one actor: its Timeline and the fields of its record. */
export interface ActorWrite {
  readonly actor: ActorKey;
  /** The position that the store must hold, gen 0 and seq 0 for an actor that was never written. Checked always. */
  readonly expected: Position;
  /** The head after this commit. */
  readonly head: TimelineHead;
  /** Opaque entries; the last one stands at `head.seq`, the ones before it directly below, all in `head.gen`. */
  readonly entries: readonly Uint8Array[];
  /** Record fields to set. Names are at most 160 characters and never the reserved `h`. */
  readonly set: readonly (readonly [field: string, value: string | Uint8Array])[];
  readonly unset: readonly string[];
  /** Entries before this position leave the hot Timeline (inboxes by age and length; archived history). */
  readonly trimBefore: Position | null;
}

/** A commit as its store has sent it, which it can send again, under its own number and id: opaque, but for its size. */
export interface SentCommit {
  /** The same whatever token it goes under, but for where that stands. */
  readonly bytes: Uint8Array;
}

/**
 * A partition's batch: durable as a whole, or refused as a whole (I2). Immutable once made, but for its memo, so that a retry
 * sends the same bytes; `commitId` stands for them.
 */
export interface Commit {
  readonly partition: PartitionId;
  readonly token: OwnerToken;
  /** The previous commit's number + 1; the first of a cluster is 1. */
  readonly commitNo: number;
  /** 16 hexadecimal digits, chosen when the batch was decided. */
  readonly commitId: string;
  readonly writes: readonly ActorWrite[];
  /** The changefeed entry: what followers are to learn of this commit. Null when nothing concerns them. */
  readonly feed: Uint8Array | null;
  /** Moves the diffusion cursor to this commit's number. Null leaves it. */
  readonly diffusedTo: number | null;
  /** Changefeed entries of commits before this one are trimmed: at most up to `diffusedTo`, and only with it. */
  readonly feedFrom: number | null;
  /** A handler's poison message, kept for people in the partition's bounded dead-letter stream. */
  readonly deadLetters: readonly Uint8Array[];
  /** Begins a generation for the whole partition; written by the settling commit after a claim only. */
  readonly settle: { readonly gen: Generation; readonly run: string; readonly level: AckLevel } | null;
  /** Sets {@link ClaimFound.recovering}: with the settling commit that begins a generation, and 0 when that is over. */
  readonly recovering: Generation | null;
  /** Where a store that can send it again leaves what it has sent, so that who holds it need not pack it once more. */
  readonly memo?: { sent: SentCommit | null };
}

/** Which commit it is, and whose. */
export type CommitIdentity = Pick<Commit, 'partition' | 'token' | 'commitNo' | 'commitId'>;

/** A commit that is held for a store that lost it: as it was decided, or as it was sent. */
export type HeldCommit = Commit | (CommitIdentity & { readonly sent: SentCommit });

/**
 * What the store answered. `fenced` names the epoch that holds the partition now: above ours another owner
 * took over, below ours a failover rolled our claim back. `unknown`: the reply was lost, so the commit may or may
 * not be in (I5). `unavailable`: Redis itself refused, nothing changed.
 */
export type CommitOutcome =
  | { readonly code: 'ok' }
  | { readonly code: 'dup' }
  | { readonly code: 'fenced'; readonly heldEpoch: number }
  | { readonly code: 'regressed'; readonly commitNo: number }
  | { readonly code: 'conflict'; readonly message: string }
  | { readonly code: 'unavailable'; readonly message: string }
  | { readonly code: 'unknown'; readonly message: string };

/** The owner record as a claim found it, before the claim. */
export interface ClaimFound {
  readonly epoch: number;
  readonly commitNo: number;
  readonly commitId: string;
  /** The partition's generation, 0 for one that was never claimed. */
  readonly gen: Generation;
  /** The Redis run and replication id in force when the last owner settled; empty for one never claimed. */
  readonly run: string;
  readonly level: AckLevel;
  /**
   * An owner released after its last commit, the one to whom the view of this version gave the partition (see
   * `Placement`); 0 when none has. A store that went back may have lost owners, and their commits, that came after it.
   */
  readonly releasedIn: number;
  /** Changefeed followers have everything up to this commit. */
  readonly diffusedTo: number;
  /** No changefeed entry of a later commit was ever trimmed. Null: a program that did not note it was the last owner. */
  readonly feedTrimmedTo: number | null;
  /**
   * The generation that began when the partition lost something, for as long as what it was sent by other partitions
   * has not been asked for again; 0 for none.
   */
  readonly recovering: Generation;
}

export interface ClaimAnswer {
  readonly token: OwnerToken;
  readonly found: ClaimFound;
  /** The run and replication id now, `run_id/replid`. */
  readonly run: string;
}
