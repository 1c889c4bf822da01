export type { ChatService, ConversationInfo, KeyedSend, Principal, UserPush, UserPushPort } from './chat-service.ts';
