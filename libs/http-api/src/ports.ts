import type { UserId } from '@millrace/kernel';
import type { ChatService, ClusterStatus } from '@millrace/messaging';

/** What a backend may ask of the chat. */
export type BackendChat = Pick<
  ChatService,
  | 'createFor'
  | 'info'
  | 'listMembers'
  | 'addMembers'
  | 'removeMembers'
  | 'assignRole'
  | 'publishKeyed'
  | 'history'
  | 'conversations'
>;

/** One live session of a user: a socket that has connected. */
export interface SessionInfo {
  readonly session: string;
  readonly device: string;
  /** Name and version of the client as it says, or null. */
  readonly client: string | null;
  readonly ip: string;
  /** When it connected, milliseconds since 1970. For display. */
  readonly since: number;
}

/** What the API asks of the gateways about the sockets that they hold. */
export interface SessionControl {
  list(user: UserId): readonly SessionInfo[];
  /** Closes one session, or all of the user's, as revoked. @returns how many were closed. */
  kick(user: UserId, session?: string): number;
}

/** The cluster as this node sees it, at once or within a bounded time. Null until this node has a part in it. */
export type ClusterLook = () => Promise<ClusterStatus> | null;

export interface Readiness {
  readonly ok: boolean;
  /** Why not, in words for an operator: nothing about users, keys or addresses. Empty when ok. */
  readonly reasons: readonly string[];
}

/** Where this node's sockets are. */
export interface SocketEndpoint {
  /** What clients are told when it is set (`wss://chat.example.org`), as behind a proxy it must be. */
  readonly publicUrl: string | null;
  /** Else: the host that the request was sent to, with this port. */
  readonly port: number;
  readonly subprotocols: readonly string[];
  /** The server's version. */
  readonly version: string;
}

export interface HttpApiLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
