export { allocateSeq, appended, type AppendError } from './append.ts';
export {
  advanced,
  comparePositions,
  cursorStatus,
  decodeHead,
  emptyHead,
  encodeHead,
  generationOf,
  inGeneration,
  spansOf,
  type CursorStatus,
  type GenerationSpan,
  type Position,
  type TimelineHead,
} from './head.ts';
export { MemoryTimeline, type MemoryTimelineLimits } from './memory-timeline.ts';
export {
  StoreUnavailable,
  conversationKey,
  userKey,
  type ActorKey,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from './timeline-reader.ts';
