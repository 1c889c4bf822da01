import type { Generation, NodeId, PartitionId } from '@millrace/kernel';
import type { Member } from '@millrace/partition';

/** One partition, as the node that has it tells. */
export interface PartitionStatus {
  readonly partition: PartitionId;
  /** Of the owner token: rises with every claim. */
  readonly epoch: number;
  readonly gen: Generation;
  readonly commitNo: number;
  readonly isServing: boolean;
  /** Commands that wait. */
  readonly queued: number;
  /** Commits that have not reached all inboxes. */
  readonly undiffused: number;
}

/** What a node tells of itself. */
export interface NodeStatus {
  readonly viewVersion: number;
  /** The name of the member that coordinates, as far as this node knows. */
  readonly coordinator: string | null;
  readonly partitions: readonly PartitionStatus[];
  /** Users with sockets on this node. */
  readonly usersAttached: number;
  /** Partitions on their way to or from this node. */
  readonly moving: number;
}

/** The cluster as one node sees it, with what each member that answered told of itself. */
export interface ClusterStatus {
  readonly version: number;
  /** By partition: the name of the member that is to own it, null for none. It may name a member that is gone. */
  readonly owners: readonly (string | null)[];
  readonly members: readonly (Member & { readonly owned: number; readonly status: NodeStatus | null })[];
  /** Partitions that nobody is to own, or whose owner does not serve them. */
  readonly unserved: readonly PartitionId[];
  /** This node. */
  readonly self: NodeId;
}
