export {
  describeArchiveError,
  nameOfChunk,
  type ArchiveOpenError,
  type ArchiveUnavailable,
  type ChunkConflict,
  type ChunkDamaged,
  type ChunkHole,
} from './archive-errors.ts';
export {
  APPEND_CHUNKS_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_ENTRIES_MAX,
  ERASE_ENTRIES_MAX,
  PAGE_ENTRIES_MAX,
  type AppendOutcome,
  type ArchiveChunk,
  type ArchiveHealth,
  type ArchiveStats,
  type ArchiveStore,
  type ChunkKey,
  type Erased,
  type Erasure,
} from './archive-store.ts';
export { CHAIN_CHUNKS_MAX, type ChainedChunk, type ChainPage } from './chain.ts';
export { lastOf, sameBytes } from './archived-chunk.ts';
export { planRoll, type RollAsked, type Tiers } from './roll-plan.ts';
export {
  defaultTieredTimelinesLimits,
  TieredTimelines,
  type TieredTimelinesLimits,
  type TieredTimelinesParts,
} from './tiered-timelines.ts';
