export { decideClaim, type ClaimDecision, type OwnerMemory } from './claim-decision.ts';
export type { AckLevel, ActorWrite, ClaimAnswer, ClaimFound, Commit, CommitOutcome } from './commit.ts';
export { encodeOwnerToken, type OwnerToken } from './owner-token.ts';
export { partitionOf } from './partition-of.ts';
export type { ActorRecord, FeedEntry, LeaseAnswer, LeaseStore, PartitionStore, StoreError } from './partition-store.ts';
