export { takenSoon } from './at-rest.ts';
export { decideClaim, type ClaimDecision, type CommitMark, type OwnerMemory } from './claim-decision.ts';
export type {
  AckLevel,
  ActorWrite,
  ClaimAnswer,
  ClaimFound,
  Commit,
  CommitIdentity,
  CommitOutcome,
  SentCommit,
} from './commit.ts';
export { commitFault } from './commit-fault.ts';
export { encodeOwnerToken, type OwnerToken } from './owner-token.ts';
export { partitionOf, partitionOfHash } from './partition-of.ts';
export type { ActorRecord, FeedEntry, PartitionStore, StoreError } from './partition-store.ts';
export { PartitionOwner } from './partition-owner.ts';
export {
  defaultPartitionLimits,
  type Claimed,
  type CommittedBatch,
  type PartitionLimits,
  type PartitionLog,
  type PartitionOwnerParts,
  type Refusal,
} from './partition-owner-parts.ts';
export { NO_COMMITS, type CommitsBefore, type Handled, type PartitionActor } from './partition-actor.ts';
export {
  arePairsAtHome,
  areRecordsTerse,
  doTimelinesBeginShort,
  STORE_FORMAT,
  type StoreFormat,
} from './store-format.ts';
export { RetryWait, type RetryWaitLimits } from './retry-wait.ts';
export { HeldCommits, type HeldLimits } from './held-commits.ts';
export {
  decodeMember,
  decodeView,
  digestOf,
  emptyView,
  encodeMember,
  encodeView,
  placementOf,
  type ClusterView,
  type Member,
  type Placement,
  type Role,
  type ViewError,
} from './placement/cluster-view.ts';
export { defaultPlacementLimits, nextView, type PlacementLimits, type Standing } from './placement/place.ts';
export type {
  ClusterStore,
  KnownViews,
  LeadAnswer,
  LivingMember,
  PutViewAnswer,
  RegisterAnswer,
} from './placement/cluster-store.ts';
export { Membership, type MembershipParts } from './placement/membership.ts';
export { Coordinator, type CoordinatorParts } from './placement/coordinator.ts';
