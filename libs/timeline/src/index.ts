export { allocateSeq, appended, type AppendError } from './append.ts';
export type { ConversationNames, NamesPage } from './conversation-names.ts';
export {
  advanced,
  comparePositions,
  cursorStatus,
  cutBefore,
  decodeHead,
  emptyHead,
  encodeHead,
  generationOf,
  inGeneration,
  keptFrom,
  numberedSpans,
  spansOf,
  type CursorStatus,
  type GenerationSpan,
  type Position,
  type TimelineHead,
} from './head.ts';
export { MemoryTimeline, type MemoryTimelineLimits } from './memory-timeline.ts';
export { epochOf, mustBeSince, Superseded, type AnsweredAt, type RecordReader } from './record-reader.ts';
export {
  ByteBudget,
  StoreUnavailable,
  conversationKey,
  revisionsKey,
  userKey,
  type ActorKey,
  type HotTimelines,
  type RangeQuery,
  type StoredConversations,
  type StoredUsers,
  type TimelineEntry,
  type TimelineReader,
} from './timeline-reader.ts';
