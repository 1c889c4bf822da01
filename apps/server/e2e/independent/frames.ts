/**
 * The frames of protocol v1 as docs/protocol.md describes them, written from that page alone: nothing in this folder
 * imports Millrace's own protocol library, so that the page is proven to be enough.
 */

export interface Position {
  readonly gen: number;
  readonly seq: number;
}

export type Body = { readonly body: string } | { readonly bodyBase64: string };

export interface Mentions {
  readonly mentions?: readonly string[];
  readonly mentionAll?: boolean;
}

/** What it answers, or where it is from. */
export interface Reply {
  readonly replyTo?: number;
  readonly thread?: number;
  readonly forwardedFrom?: {
    readonly conversation: string;
    readonly seq: number;
    readonly author: string | null;
    readonly at: number;
  };
}

/** What was changed of a message since it was sent. */
export interface Revision {
  readonly rev?: number;
  readonly editedAt?: number;
  readonly recalled?: { readonly by: string | null; readonly at: number };
  readonly deleted?: boolean;
  readonly replies?: { readonly count: number; readonly last: number };
  readonly reactions?: readonly {
    readonly emoji: string;
    readonly count: number;
    readonly users: readonly string[];
  }[];
}

export type Message = Position &
  Mentions &
  Reply &
  Revision &
  Body & {
    readonly msgNo: number;
    readonly at: number;
    readonly sentAt: number;
    readonly type: string;
    readonly n: number;
    readonly deviceTag: number;
    readonly countable: boolean;
    readonly from: string | null;
  };

export interface Summary extends Position {
  readonly conversation: string;
  readonly kind: string;
  readonly title: string;
  readonly peer: string | null;
  readonly member: boolean;
  readonly diffusion: 'write' | 'read';
  readonly lastAt: number;
  readonly msgNo: number;
  readonly readSeq: number;
  readonly readMsgNo: number;
  readonly own: number;
  readonly gone?: number;
  readonly goneSeqs?: readonly number[];
  readonly unread: number;
}

/** One conversation's part of a sync. */
/** A message that was found, and where the words stand in its body. */
export interface Hit {
  readonly conversation: string;
  readonly message: Message;
  readonly places: readonly { readonly start: number; readonly end: number }[];
}

export interface Delta {
  readonly summary: Summary;
  readonly messages: readonly Message[];
  readonly deleted?: readonly number[];
}

export interface Member {
  readonly user: string;
  readonly role: string;
  readonly readSeq: number;
  readonly deliveredSeq: number;
}

export interface ReadPosition {
  readonly readSeq: number;
  readonly readMsgNo: number;
  readonly own: number;
  readonly gone?: number;
  readonly goneSeqs?: readonly number[];
}

export type PushItem = { readonly conversation: string } & (
  | {
      readonly messages: readonly Message[];
      readonly hint?: Position & { readonly why: string };
      readonly deleted?: { readonly seq: number; readonly counted: boolean };
    }
  | { readonly read: ReadPosition }
);

/** What the server answers, by the name of the frame. */
export interface Answers {
  readonly connected: {
    readonly user: string;
    readonly device: string;
    readonly session: string;
    readonly serverTime: number;
    readonly ackLevel: string;
    readonly inbox: Position;
    readonly limits: {
      readonly frameBytes: number;
      readonly bodyBytes: number;
      readonly sendWindow: number;
      readonly idleMs: number;
    };
  };
  readonly ok: object;
  readonly ack: Position & {
    readonly conversation: string;
    readonly n: number;
    readonly msgNo: number;
    readonly at: number;
    readonly level: string;
    readonly duplicate: boolean;
  };
  readonly synced: {
    readonly tooLong: boolean;
    readonly regressed: boolean;
    readonly conversations: readonly Delta[];
    readonly hasMore: boolean;
    readonly inbox: Position;
    readonly token: string;
  };
  readonly page: {
    readonly conversation: string;
    readonly messages: readonly Message[];
    readonly hasMore: boolean;
    readonly head: Position;
    /** In a lobby: nothing before it is kept. */
    readonly first?: number;
  };
  readonly found: {
    readonly hits: readonly Hit[];
    readonly next: string | null;
    readonly complete: boolean;
    readonly unsearched: readonly {
      readonly conversation: string;
      readonly indexedThrough: number;
      readonly searchedFrom: number;
    }[];
    readonly counts?: {
      readonly total: number;
      readonly exact: boolean;
      readonly conversations: readonly { readonly conversation: string; readonly count: number }[];
    };
  };
  readonly conversations: { readonly conversations: readonly Summary[]; readonly next: string | null };
  readonly members: {
    readonly conversation: string;
    readonly count: number;
    readonly members: readonly Member[];
    readonly next: string | null;
  };
  readonly created: Position & { readonly conversation: string; readonly fresh: boolean };
  readonly changed: Position & { readonly conversation: string };
  readonly read: ReadPosition & { readonly conversation: string; readonly msgNo: number; readonly unread: number };
  readonly pong: { readonly serverTime: number };
}

export interface ErrorFrame {
  readonly t: 'error';
  readonly id?: number;
  readonly code: string;
  readonly message: string;
  readonly retry: string;
  readonly retryAfterMs?: number;
  readonly expected?: number;
  readonly from?: number;
}

export type AnswerFrame = { [T in keyof Answers]: { readonly t: T; readonly id: number } & Answers[T] }[keyof Answers];

export type PushFrame = Position & { readonly t: 'push'; readonly prev: number; readonly items: readonly PushItem[] };

export type UnaskedFrame =
  | PushFrame
  | (Position & {
      readonly t: 'live';
      readonly conversation: string;
      readonly prev: number;
      readonly messages: readonly Message[];
    })
  | {
      readonly t: 'heads';
      readonly heads: readonly (Position & {
        readonly conversation: string;
        readonly msgNo: number;
        readonly mentionAll?: readonly number[];
      })[];
    }
  | {
      readonly t: 'receipt';
      readonly conversation: string;
      readonly user: string;
      readonly readSeq: number;
      readonly deliveredSeq: number;
    }
  | { readonly t: 'typing'; readonly conversation: string; readonly user: string }
  | { readonly t: 'resync'; readonly reason: string }
  | { readonly t: 'drain'; readonly deadlineMs: number };

export type ServerFrame = AnswerFrame | UnaskedFrame | ErrorFrame;

/** Which frame answers a request; `error` may answer any. */
export const answerOf = {
  connect: 'connected',
  refresh: 'ok',
  send: 'ack',
  forward: 'ack',
  edit: 'ack',
  react: 'ack',
  recall: 'ack',
  delete: 'ok',
  sync: 'synced',
  history: 'page',
  search: 'found',
  thread: 'page',
  conversations: 'conversations',
  members: 'members',
  create: 'created',
  join: 'changed',
  leave: 'changed',
  invite: 'changed',
  kick: 'changed',
  role: 'changed',
  read: 'read',
  delivered: 'ok',
  ping: 'pong',
} as const;

export type RequestName = keyof typeof answerOf;

/** A frame of the client: the fields beside `t` and `id` are those of the page, checked by the server alone. */
export interface ClientFrame {
  readonly t: string;
  readonly id?: number;
  readonly [field: string]: unknown;
}

/** What was asked was refused: `frame` says why, and what to do. */
export class Refused extends Error {
  readonly frame: ErrorFrame;
  constructor(frame: ErrorFrame) {
    super(`${frame.code}: ${frame.message}`);
    this.frame = frame;
  }
}

/** The connection ended before the answer: what became of the request is unknown. */
export class ConnectionLost extends Error {
  readonly closeCode: number;
  constructor(closeCode: number) {
    super(`the connection was lost with ${closeCode}`);
    this.closeCode = closeCode;
  }
}
