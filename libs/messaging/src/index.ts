export type { EditHistory, MessageVersion } from './revise/edit-history.ts';
export { ChatNode } from './chat-node.ts';
export type { ChatNodeLimits, ChatNodeParts, ChatNodeStats } from './chat-node-parts.ts';
export { isLater, type Arrival } from './cluster/arrival.ts';
export type {
  Attached,
  ChatService,
  ConversationInfo,
  KeyedEdit,
  KeyedSend,
  LiveEntries,
  LivePort,
  ModerationService,
  Principal,
  ReviseService,
  ScheduleService,
  SearchService,
  SessionInfo,
  SessionPort,
  UserPush,
  UserPushPort,
} from './chat-service.ts';
export type { ClusterStatus, NodeStatus, PartitionStatus } from './cluster/cluster-status.ts';
export type { ClosedSessions, NodeSession, UserSessions } from './cluster/cluster-sessions.ts';
export { isCutOff, LAPSE_MS_MIN, type Elsewhere } from './cluster/cut-off.ts';
export { mentionsOfAllFor } from './live/mentions-of-all.ts';
export type { LiveHead } from './live/watch.ts';
export type { Readiness } from './cluster/readiness.ts';
export {
  Archiver,
  defaultArchiverLimits,
  type ArchiverLimits,
  type ArchiverParts,
  type ArchiverStats,
} from './archive/archiver.ts';
export { neverHeld, type IsHeld } from './archive/drop-before.ts';
export { Lifetimes, type ExpiryJobs } from './archive/lifetimes.ts';
export type { RollJobs } from './archive/roll-jobs.ts';
export {
  defaultRetentionLimits,
  Retention,
  type RetentionLimits,
  type RetentionParts,
  type RetentionStats,
} from './archive/retention.ts';
export { ArchiveMismatch, StoreFormatMismatch, PartitionCountMismatch } from './cluster/birth-actor.ts';
export { storeMisfitOf } from './cluster/born-with.ts';
export { partitionOfActor, type Layout } from './cluster/partition-of-actor.ts';
export { SearchMismatch } from './cluster/search-misfit.ts';
export { documentOf } from './indexing/document-of.ts';
export { noFieldRules, parseFieldRules, type FieldRules, type TypeRules } from './indexing/field-rules.ts';
export type { Rebuild, RebuildStatus } from './indexing/rebuild.ts';
export {
  defaultIndexerLimits,
  EMBEDDED_INDEX,
  Indexer,
  type IndexerLimits,
  type IndexerParts,
  type IndexerStats,
} from './indexing/indexer.ts';
export { defaultRouterLimits, type RouterLimits } from './cluster/router.ts';
export type { ChainBreak, ChainCheck, ChainMark } from './chain/chain-check.ts';
export { ChainChecks, type ChainChecksParts } from './chain/chain-checks.ts';
export { Erasures, type ErasingNode, type ErasuresParts } from './erase/erasures.ts';
export type { ErasableSearch } from './erase/index-erasure.ts';
export type { ErasureReport, LeftOver } from './erase/erasure-report.ts';
export type { MessageStories, StoryQuery } from './explain/message-stories.ts';
export type { DeviceStory, MemberStory, MessageStory, StoryStep, Why } from './explain/story.ts';
export type { Mark, Spread } from './trace/trace-here.ts';
export { silentTrace, type DeviceTrace, type EntryRun, type MessageTrace } from './trace/message-trace.ts';
export { NodeTrace } from './trace/node-trace.ts';
export type { DueJob, DueJobs } from './scheduled/due-jobs.ts';
export { sweepDue, type DueSweepParts } from './scheduled/due-sweep.ts';
export type { DueOutcome } from './scheduled/send-due.ts';
export { listNames } from './transfer/list-names.ts';
export type { ImportedEntry } from './transfer/entry-line.ts';
export type {
  BanLine,
  ConversationLine,
  EndLine,
  EntryLine,
  KeyLine,
  MemberLine,
  StateLine,
} from './transfer/lines.ts';
export type {
  ExportedLine,
  ExportPage,
  ExportQuery,
  ImportSlice,
  SliceRefused,
  SliceTaken,
  TransferService,
} from './transfer/transfer-service.ts';
export { defaultLobbyLimits, type LobbyLimits } from './lobby/lobby-limits.ts';
export { defaultMessagingLimits, type MessagingLimits } from './limits.ts';
