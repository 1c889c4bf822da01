export type {
  ClientEvents,
  ClientStorage,
  ConnectionState,
  CreateLobbyOptions,
  CreateOptions,
  HistoryQuery,
  LobbyEvent,
  MillraceClientOptions,
  Progress,
  ReadersQuery,
  ScheduleOptions,
  SearchOptions,
  SendOptions,
  SendReceipt,
  SettingsChange,
} from './api.ts';
export type { WebSocketConstructor, WebSocketLike } from './connection/web-socket.ts';
export { MillraceError, type ClientErrorCode } from './errors.ts';
export { MillraceClient } from './millrace-client.ts';
export { ScheduledMessages } from './scheduled-messages.ts';
export { memoryStorage } from './storage/memory-storage.ts';
