export { PartitionCountMismatch } from './cluster/birth-actor.ts';
export { ChatNode, type ChatNodeLimits, type ChatNodeParts, type ChatNodeStats, type Readiness } from './chat-node.ts';
export type { ChatService, ConversationInfo, KeyedSend, Principal, UserPush, UserPushPort } from './chat-service.ts';
export { defaultMessagingLimits, type MessagingLimits } from './limits.ts';
