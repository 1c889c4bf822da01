import type { RestingActors } from '@millrace/actor';
import type { Clock, Generation, NodeId, PartitionId, Random, Timers } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import type { AckLevel } from './commit.ts';
import type { HandledMail } from './decide-batch.ts';
import type { FeedRetentionLimits } from './feed-retention.ts';
import type { HeldLimits } from './held-commits.ts';
import type { PartitionActor } from './partition-actor.ts';
import type { ActorRecord, PartitionStore } from './partition-store.ts';
import type { Placement } from './placement/cluster-view.ts';

export interface PartitionLimits extends FeedRetentionLimits {
  /** Commands in one commit: about 200 keeps a commit near 1 ms of Redis. */
  readonly batchCommandsMax: number;
  /** Commands of one actor in one commit, so that a busy one does not starve the others. */
  readonly batchCommandsPerActorMax: number;
  /** Commands waiting for one actor. */
  readonly mailboxMax: number;
  /** Commands waiting in the whole partition. */
  readonly partitionMailMax: number;
  /** Commits that followers of the changefeed have not finished with: above it new commands are refused. */
  readonly undiffusedCommitsMax: number;
  readonly held: HeldLimits;
  /** How long a moved diffusion cursor may wait for a commit to ride on. */
  readonly cursorIdleMs: number;
}

export const defaultPartitionLimits: PartitionLimits = {
  batchCommandsMax: 200,
  batchCommandsPerActorMax: 64,
  mailboxMax: 2_048,
  partitionMailMax: 8_192,
  undiffusedCommitsMax: 4_096,
  held: { ageMsMax: 10_000, bytesMax: 2.5 * 1024 * 1024 },
  cursorIdleMs: 1_000,
  feedKeptMs: 60_000,
  feedKeptCommitsMax: 2_048,
};

/** Why a command was not decided, or its outcome cannot be told. Nothing of it may be assumed to have happened. */
export interface Refusal {
  readonly code: 'overloaded' | 'unavailable' | 'not_owner' | 'poison';
  readonly message: string;
}

export interface PartitionLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A batch that is stored, and when, for whoever follows a single command's way. Times are monotonic. */
export interface CommittedBatch<Command, Reply, Effect> {
  readonly commitNo: number;
  /** Of the owner token that it is stored under. */
  readonly epoch: number;
  readonly decidedMs: number;
  /** When it was known to be stored. */
  readonly storedMs: number;
  /** Whether it took more than one call to know that: an answer was lost, and the partition was claimed again (I5). */
  readonly again: boolean;
  readonly handled: readonly HandledMail<Command, Reply>[];
  readonly effects: readonly Effect[];
}

/** What came of a claim. The commits after `diffusedTo` are to be followed up. */
export interface Claimed {
  readonly diffusedTo: number;
  readonly commitNo: number;
  readonly memoryKept: boolean;
  /** The store had lost commits and has them again: those after `diffusedTo` are to be followed up once more. */
  readonly replayed: boolean;
}

export interface PartitionOwnerParts<Command, Reply, Effect> {
  readonly partition: PartitionId;
  readonly node: NodeId;
  readonly store: PartitionStore;
  readonly level: AckLevel;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: PartitionLimits;
  readonly resting: RestingActors<ActorKey, PartitionActor<Command, Reply, Effect>>;
  readonly log: PartitionLog;
  activate(key: ActorKey, record: ActorRecord, gen: Generation): PartitionActor<Command, Reply, Effect>;
  /** The changefeed entry for what a batch did, null when no follower needs to know. */
  encodeFeed(effects: readonly Effect[]): Uint8Array | null;
  /** Called once for each commit, in order, after its replies. `batch` is null for effects without a commit. */
  afterCommit(effects: readonly Effect[], batch: CommittedBatch<Command, Reply, Effect> | null): void;
  /** Called after each claim, before anything new is decided. */
  claimed(claim: Claimed): void;
  /** The newest generation of the partition that this node has heard of, 0 for none. */
  knownGen(this: void): Generation;
  /** What the newest view says of the partition, to this node. */
  placement(this: void): Placement;
  /** Another owner has claimed the partition: this one has let go of it, and does not take it back. */
  lost(why: string): void;
  /** Whether the node's lease still holds on its own clock. */
  mayServe(): boolean;
}
