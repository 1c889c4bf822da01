import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { Ack, ConversationSummary, FrameError, Message, PushItem, Receipt, SendableType } from '@millrace/protocol';

/**
 * Where a device keeps what must outlive the process: sync token, send counters, outbox, conversations. Every `set` is
 * durable before its promise resolves. Values are JSON texts.
 */
export interface ClientStorage {
  get(key: string): Promise<string | null>;
  /** Applies all of them or none: a value of null deletes. */
  set(entries: ReadonlyMap<string, string | null>): Promise<void>;
}

/** `offline`: waiting to reconnect, sends queue up. `live`: synced, pushes arrive. `closed`: over, see the reason. */
export type ConnectionState = 'offline' | 'connecting' | 'syncing' | 'live' | 'closed';

export interface MillraceClientOptions {
  /** `ws://host:port` or `wss://…`: the socket address, not the HTTP one. */
  readonly url: string;
  /** A JWT, or how to get a fresh one: called before each connect and when the server says that it expired. */
  readonly token: string | (() => Promise<string>);
  /** Default: in memory, and with it a new device id each time. */
  readonly storage?: ClientStorage;
  /** Default `binary`. */
  readonly encoding?: 'json' | 'binary';
  /** Unanswered sends a conversation, at most the server's `sendWindow`. */
  readonly sendWindow?: number;
  /** Back-off between attempts, full jitter: up to `initialMs · 2^attempt`, never above `maxMs`. Default 250 and 15,000. */
  readonly reconnect?: { readonly initialMs: number; readonly maxMs: number };
}

/** What a send came to: the server's ack, after the commit. */
export type SendReceipt = Pick<Ack, 'gen' | 'seq' | 'msgNo' | 'at' | 'level' | 'duplicate' | 'n'>;

export interface ClientEvents {
  /** Once for each message, in order of seq within a conversation, own ones of other devices included. */
  message: (event: { readonly conversation: ConversationId; readonly message: Message }) => void;
  /** Unread or membership of a conversation changed; the summary as the device has it now. */
  conversation: (summary: ConversationSummary) => void;
  read: (event: Extract<PushItem, { read: unknown }>) => void;
  receipt: (event: Omit<Receipt, 't'>) => void;
  typing: (event: { readonly conversation: ConversationId; readonly user: UserId }) => void;
  state: (state: ConnectionState, reason: string) => void;
  /** The server lost what came after `from` in generation `gen`: the device has dropped it. */
  regressed: (event: { readonly conversation: ConversationId; readonly gen: Generation; readonly from: SequenceId }) => void;
  /** A queued message was refused for good and left the outbox; those behind it were renumbered. */
  refused: (event: { readonly conversation: ConversationId; readonly body: string | Uint8Array; readonly error: FrameError }) => void;
}

export interface SendOptions {
  readonly type?: SendableType;
  /** Logical timestamp; default: wall time in ms, raised to be above this device's last one. */
  readonly sentAt?: number;
}
