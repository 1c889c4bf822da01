import type { Result, UserId } from '@millrace/kernel';
import type {
  ChainChecks,
  ChatService,
  ClosedSessions,
  ClusterStatus,
  Erasures,
  MessageStories,
  Rebuild,
  ModerationService,
  TransferService,
  UserSessions,
} from '@millrace/messaging';
import type { FrameError } from '@millrace/protocol';

/** What a backend may ask of the chat. */
export type BackendChat = Pick<
  ChatService,
  | 'createFor'
  | 'info'
  | 'listMembers'
  | 'listReaders'
  | 'addMembers'
  | 'removeMembers'
  | 'assignRole'
  | 'publishKeyed'
  | 'forwardKeyed'
  | 'editFor'
  | 'reactFor'
  | 'recallFor'
  | 'editHistory'
  | 'delete'
  | 'pin'
  | 'unpin'
  | 'history'
  | 'thread'
  | 'conversations'
  | 'search'
  | 'searchFor'
  | 'schedule'
  | 'unschedule'
  | 'scheduled'
  | Exclude<keyof ModerationService, 'infoFor'>
> &
  TransferService;

/** A step through all conversations that are stored, in no order; one may be told twice. */
export type NamesOf = (
  cursor: string | null,
) => Promise<Result<{ readonly conversations: readonly string[]; readonly next: string | null }, FrameError>>;

/** Checks the tokens that users have for their devices. */
export interface UserTokens {
  /** Never rejects. Tells nothing of the token. */
  verify(token: string): Promise<Result<{ readonly user: UserId }, FrameError>>;
}

/** What the API asks about users' sockets, on whichever nodes they are. */
export interface SessionControl {
  list(user: UserId): Promise<Result<UserSessions, FrameError>>;
  /** Closes one session, or all of the user's when it is null, as revoked. */
  close(user: UserId, session: string | null): Promise<Result<ClosedSessions, FrameError>>;
}

/** Erases for good. */
export type DataErasure = Pick<Erasures, 'eraseUser' | 'report' | 'eraseConversation'>;

/** Says whether what is stored of conversations is what was archived. */
export type ChainControl = Pick<ChainChecks, 'check'>;

/** Tells of single messages what became of them. */
export type StoryTeller = Pick<MessageStories, 'tell'>;

/** The cluster as this node sees it, at once or within a bounded time. Null until this node has a part in it. */
export type ClusterLook = () => Promise<ClusterStatus> | null;

/** Makes the search index anew. Null where messages are not searched for, or before this node has a part in a cluster. */
export type IndexRebuild = () => Pick<Rebuild, 'status' | 'begin' | 'abandon'> | null;

export interface Readiness {
  readonly ok: boolean;
  /** Why not, in words for an operator: nothing about users, keys or addresses. Empty when ok. */
  readonly reasons: readonly string[];
}

/** Where a socket of that user is best opened; null until sockets listen, or while none are known on a node that has none. */
export type EndpointOf = (user: UserId | null) => SocketEndpoint | null;

/** Where sockets are: this node's, or another node's. */
export interface SocketEndpoint {
  /** What clients are told when it is set (`wss://chat.example.org`), as behind a proxy and of another node it must be. */
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
