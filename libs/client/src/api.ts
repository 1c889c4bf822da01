import type { Clock, ConversationId, Generation, Random, SequenceId, Timers, UserId } from '@millrace/kernel';
import type {
  Ack,
  ConversationKind,
  ConversationSummary,
  FrameError,
  HistoryPolicy,
  JoinPolicy,
  Message,
  PresenceState,
  PushItem,
  ReadersList,
  Receipt,
  Receipts,
  SearchField,
  SendableType,
  Settings,
} from '@millrace/protocol';
import type { ClientErrorCode } from './errors.ts';
import type { WebSocketConstructor } from './connection/web-socket.ts';

/**
 * Where a device keeps what must outlive the process: its id, send counters, outbox, sync token, conversations and
 * the latest messages of each. Keys and values are texts. One storage belongs to one user's one device and to one
 * client at a time: a copy that is used beside it, or a backup brought back, reuses send counters.
 */
export interface ClientStorage {
  /** Everything that is kept. Called once, before anything else. */
  load(): Promise<ReadonlyMap<string, string>>;
  /** Applies all of them or none, durable before the promise resolves; null deletes. Never called while one runs. */
  set(entries: ReadonlyMap<string, string | null>): Promise<void>;
  /** Lets go of what it holds open; `load` and `set` open it again. */
  close?(): Promise<void>;
}

/**
 * - `offline`: not connected, waiting to try again; sends queue up.
 * - `connecting`: a socket is being opened.
 * - `syncing`: connected; what was missed is being fetched. Sends already go out.
 * - `live`: nothing is missing, pushes arrive.
 * - `closed`: nothing more happens until `connect()`; see the reason.
 */
export type ConnectionState = 'offline' | 'connecting' | 'syncing' | 'live' | 'closed';

export interface MillraceClientOptions {
  /**
   * `ws://host:port` or `wss://…`: the socket address, not the HTTP one. Or how to find one, asked before each connect:
   * where nodes come and go and no balancer stands before them.
   */
  readonly url: string | (() => Promise<string>);
  /** A JWT, or how to get a fresh one: called before each connect and when the server says that it expired. */
  readonly token: string | (() => Promise<string>);
  /** Default: nothing is kept, and the device id is new each time. */
  readonly storage?: ClientStorage;
  /** Default `binary`. */
  readonly encoding?: 'json' | 'binary';
  /** Default: the platform's. Node 20 has none: use `nodeClient` of `@millrace/client/node`. */
  readonly webSocket?: WebSocketConstructor;
  /** Name and version for the server's logs, at most 64 characters. */
  readonly clientName?: string;
  /** Unanswered sends a conversation; never above the server's `sendWindow`. Default: the server's. */
  readonly sendWindow?: number;
  /** Messages that may wait in the outbox, over all conversations. Default 10,000. */
  readonly outboxMax?: number;
  /** Latest messages kept of each conversation, for `messages()`. Default 1,000. */
  readonly cachedMessages?: number;
  /** Back-off between attempts, full jitter: up to `initialMs · 2^attempt`, never above `maxMs`. Default 250 and 15,000. */
  readonly reconnect?: { readonly initialMs: number; readonly maxMs: number };
  /** From dialling to `connected`. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** For an answer to a request that is not a send, over all retries. Default 30,000. */
  readonly requestTimeoutMs?: number;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
}

/**
 * What a send came to: the server's ack, after the commit. When `duplicate`, an earlier attempt was stored and only
 * its ack was lost; `msgNo` and `at` are then those of the stored message, or 0 when it can no longer be read.
 */
export type SendReceipt = Pick<Ack, 'gen' | 'seq' | 'msgNo' | 'at' | 'level' | 'duplicate' | 'n'>;

export interface ClientEvents {
  /**
   * Once for each message of this run, in order of seq within a conversation; own ones and control entries included.
   * Across restarts at least once: a message whose handlers returned may come again when the process ended before the
   * new position was stored. `(conversation, gen, seq)` tells a repeat.
   */
  message: (event: { readonly conversation: ConversationId; readonly message: Message }) => void;
  /**
   * A message that was told before is another one now: edited, recalled, or deleted by this user for themselves (`deleted`;
   * it is not among `messages()` any more). `message` is null where it is not kept here: page `history`.
   */
  revised: (event: {
    readonly conversation: ConversationId;
    readonly seq: SequenceId;
    readonly message: Message | null;
  }) => void;
  /** Something happened to a lobby that this client is in, beside the messages; see {@link LobbyEvent}. */
  lobby: (event: LobbyEvent) => void;
  /** Unread, membership or title of a conversation changed; the summary as the device has it now. */
  conversation: (summary: ConversationSummary) => void;
  /** A conversation is no longer in the user's list. */
  removed: (event: { readonly conversation: ConversationId }) => void;
  /** This user's read position moved, here or on another device. */
  read: (event: Extract<PushItem, { read: unknown }>) => void;
  /**
   * An entry of a conversation that is pulled mentions this user, or is about them: told at once, also where the device does
   * not show it. Of what comes as a `message` the message itself says so.
   */
  hint: (event: Extract<PushItem, { hint: unknown }>) => void;
  /** Another member's positions moved. */
  receipt: (event: Omit<Receipt, 't'>) => void;
  /** In a large conversation: how far the latest messages have come, told to their authors about once a second. */
  receipts: (event: Omit<Receipts, 't'>) => void;
  /** Users to whose presence this client has subscribed: who is online, or not any more. */
  presence: (states: readonly PresenceState[]) => void;
  typing: (event: { readonly conversation: ConversationId; readonly user: UserId }) => void;
  state: (state: ConnectionState, reason: string) => void;
  /**
   * Messages `after + 1 .. to` were too many to be delivered one by one and come as no event: page `history`. `gen` is
   * that of `to`: what was lost of an older one, as `regressed` may tell only afterwards, does not concern them. So it is
   * when the user comes back into a conversation, whose history may tell them what was said meanwhile, or not; what
   * became of earlier messages meanwhile no `revised` tells either, so that those that are shown are read again.
   */
  gap: (event: {
    readonly conversation: ConversationId;
    readonly gen: Generation;
    readonly after: SequenceId;
    readonly to: SequenceId;
  }) => void;
  /** The server lost what came after `from` in generation `gen`: the device has dropped it. */
  regressed: (event: {
    readonly conversation: ConversationId;
    readonly gen: Generation;
    readonly from: SequenceId;
  }) => void;
  /** A queued message was refused for good and left the outbox; those behind it go on. */
  refused: (event: {
    readonly conversation: ConversationId;
    readonly body: string | Uint8Array;
    readonly error: Pick<FrameError, 'message'> & { readonly code: ClientErrorCode };
  }) => void;
  /** The storage did not take a change; it is tried again, and messages that are not stored are not sent. */
  storageError: (error: unknown) => void;
}

/**
 * - `joined`: this device has it open, from the answer on. What it kept comes first, as messages.
 * - `restarted`: its node went, and it begins anew on another one, in generation `gen`, with nothing of before.
 * - `promoted`: it is a group from here on, in this user's list; its messages go on. It is open on this device, as by
 *   `openConversation`, until `closeConversation`.
 * - `ended`: this user is not in it any more: they left, were removed, or it is gone.
 */
export interface LobbyEvent {
  readonly conversation: ConversationId;
  readonly change: 'joined' | 'restarted' | 'promoted' | 'ended';
  readonly gen: Generation;
}

export interface CreateLobbyOptions {
  /** Begins with `~`. Default: a random one, so that a retry creates nothing new. */
  readonly conversation?: ConversationId;
  readonly title?: string;
  /** Users who may join whatever the policy is. */
  readonly invited?: readonly UserId[];
  readonly joinPolicy?: JoinPolicy;
  readonly historyPolicy?: HistoryPolicy;
  /** Entries that it keeps for those who come late. */
  readonly backlog?: number;
  readonly membersMax?: number;
}

export interface SendOptions {
  /** Default `text` for a string, `custom` for bytes. */
  readonly type?: SendableType;
  /** Logical timestamp; default: wall time in ms, raised to be above this device's last one. */
  readonly sentAt?: number;
  /** Members whom it is for above all, 50 at most; one who is none when it arrives is refused as `not_mentionable`. */
  readonly mentions?: readonly UserId[];
  /** It is for all members above all: whether this user may is the conversation's `mentionAllBy`. */
  readonly mentionAll?: boolean;
  /** The message there that it answers, in whose thread it comes; one that was recalled is refused as `conflict`. */
  readonly replyTo?: SequenceId;
}

export interface ScheduleOptions extends Pick<SendOptions, 'type' | 'mentions' | 'replyTo'> {
  /** The user's own name for it, 1 to 64 characters; default: a random one, so that a retry stores nothing new. */
  readonly key?: string;
  readonly mentionAll?: true;
}

export interface CreateOptions {
  readonly kind: Exclude<ConversationKind, 'direct' | 'lobby'>;
  /** Default: a random one, so that a retry creates nothing new. */
  readonly conversation?: ConversationId;
  readonly title?: string;
  /** Beside the creator. Of more than 200 the rest is invited in chunks, see `inviteAll`. */
  readonly members?: readonly UserId[];
  readonly joinPolicy?: JoinPolicy;
  readonly historyPolicy?: HistoryPolicy;
}

/** Told after each chunk of a list: how many of it, from its beginning, are done. */
export type Progress = (done: number, of: number) => void;

export interface HistoryQuery {
  /** Default `backward`. */
  readonly direction?: 'forward' | 'backward';
  /** Inclusive. Default: the first visible message going forward, the head going backward. */
  readonly from?: SequenceId;
  /** The generation in which `from` was learned; then a lost position is refused as `regressed`. */
  readonly gen?: Generation;
  /** 1..1000, default 50. */
  readonly limit?: number;
}

/** What a message must be to be found; what is left out does not matter. */
export interface SearchOptions {
  /** All these words, in any order; what stands between `"` as it is written. The last one may be the beginning of one. */
  readonly text?: string;
  /** False: the last word is whole, too. */
  readonly prefix?: boolean;
  /** At most 100. Default: all that this user is or was in. */
  readonly conversations?: readonly ConversationId[];
  readonly sender?: UserId | readonly UserId[];
  readonly type?: SendableType | readonly SendableType[];
  /** When it was sequenced: not before, and not behind; milliseconds since 1970, or a date. */
  readonly from?: number | Date;
  readonly to?: number | Date;
  /** It mentions this user, or all. */
  readonly mentions?: UserId;
  /** Of the application's own fields, which the deployment names. */
  readonly fields?: readonly SearchField[];
  /** Default `time`: the newest first. */
  readonly sort?: 'time' | 'relevance';
  /** 1..100, default 20. */
  readonly limit?: number;
  /** Counts the hits, of each conversation, too. */
  readonly count?: boolean;
  /** `next` of the page before, with the same question. */
  readonly cursor?: string;
}

export interface ThreadQuery {
  /** Default `backward`. */
  readonly direction?: 'forward' | 'backward';
  /** Inclusive. Default: the first reply going forward, the last one going backward. */
  readonly from?: SequenceId;
  /** 1..200, default 50. */
  readonly limit?: number;
}

export interface ReadersQuery {
  /** Whom to list; default: nobody, the counts alone. */
  readonly list?: ReadersList;
  /** `next` of the page before. */
  readonly after?: UserId;
  /** 1..1000, default 200. */
  readonly limit?: number;
}

/** What is left out stays. */
export type SettingsChange = Omit<Settings, 't' | 'id' | 'conversation'>;
