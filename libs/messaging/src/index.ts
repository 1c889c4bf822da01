export { ChatNode } from './chat-node.ts';
export type { ChatNodeLimits, ChatNodeParts, ChatNodeStats } from './chat-node-parts.ts';
export { isLater, type Arrival } from './cluster/arrival.ts';
export type {
  Attached,
  ChatService,
  ConversationInfo,
  KeyedSend,
  LiveEntries,
  LivePort,
  ModerationService,
  Principal,
  SessionInfo,
  SessionPort,
  UserPush,
  UserPushPort,
} from './chat-service.ts';
export type { ClusterStatus, NodeStatus, PartitionStatus } from './cluster/cluster-status.ts';
export type { ClosedSessions, NodeSession, UserSessions } from './cluster/cluster-sessions.ts';
export { isCutOff, LAPSE_MS_MIN, type Elsewhere } from './cluster/cut-off.ts';
export type { LiveHead } from './live/watch.ts';
export type { Readiness } from './cluster/readiness.ts';
export { PartitionCountMismatch } from './cluster/birth-actor.ts';
export { defaultRouterLimits, type RouterLimits } from './cluster/router.ts';
export type { MessageStories, StoryQuery } from './explain/message-stories.ts';
export type { DeviceStory, MemberStory, MessageStory, StoryStep, Why } from './explain/story.ts';
export type { Mark, Spread } from './trace/trace-here.ts';
export { silentTrace, type DeviceTrace, type MessageTrace } from './trace/message-trace.ts';
export { NodeTrace } from './trace/node-trace.ts';
export { defaultLobbyLimits, type LobbyLimits } from './lobby/lobby-limits.ts';
export { defaultMessagingLimits, type MessagingLimits } from './limits.ts';
