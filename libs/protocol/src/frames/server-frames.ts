import type { ConversationId, DeviceId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { FrameError } from '../errors.ts';
import type { ConversationSummary, Message, Pinned, UnreadInputs } from './messages.ts';
import type {
  AckLevelName,
  AckedLevel,
  ConversationKind,
  HistoryPolicy,
  JoinPolicy,
  MentionAllPolicy,
  PinPolicy,
  Role,
} from './names.ts';
import type { ScheduledList } from './scheduled-frames.ts';
import type { Found } from './search-frames.ts';

// What the server says: server → client.

export interface Connected {
  readonly t: 'connected';
  readonly id: number;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly session: string;
  readonly serverTime: number;
  readonly ackLevel: AckLevelName;
  /** Where the user's inbox stands: pushes go on from here. */
  readonly inbox: { readonly gen: Generation; readonly seq: SequenceId };
  readonly limits: {
    readonly frameBytes: number;
    readonly bodyBytes: number;
    /** Unanswered sends of one device in one conversation. */
    readonly sendWindow: number;
    /** The server closes a socket that sent nothing, not even a ping, for this long. */
    readonly idleMs: number;
  };
}

export interface Ok {
  readonly t: 'ok';
  readonly id: number;
}

export interface Ack {
  readonly t: 'ack';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly n: number;
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  readonly at: number;
  /** What the commit survives. */
  readonly level: AckedLevel;
  /** True when this answers a retry: it is the first one's answer (`msgNo` and `at` are then 0). */
  readonly duplicate: boolean;
}

/** `M` is the message itself; a server passes its stored form, `WireEntry`, instead. */
export interface ConversationDelta<M = Message> {
  readonly summary: ConversationSummary;
  readonly messages: readonly M[];
  /** What this user has deleted for themselves since, rising: a device that holds it hides it. Absent for nothing. */
  readonly deleted?: readonly SequenceId[];
}

export interface Synced<M = Message> {
  readonly t: 'synced';
  readonly id: number;
  /** The delta does not reach back to the token: `conversations` is a snapshot without messages, page them by `history`. */
  readonly tooLong: boolean;
  /** In `tooLong` of a lost generation: which history was lost, by conversation summary's `gen`. */
  readonly regressed: boolean;
  readonly conversations: readonly ConversationDelta<M>[];
  readonly hasMore: boolean;
  readonly inbox: { readonly gen: Generation; readonly seq: SequenceId };
  /** Opaque. Keep it together with what this answer held. */
  readonly token: string;
}

export interface Page<M = Message> {
  readonly t: 'page';
  readonly id: number;
  readonly conversation: ConversationId;
  /** Rising by seq when asked forward, falling when asked backward. */
  readonly messages: readonly M[];
  readonly hasMore: boolean;
  /** The conversation's head as far as this user may see it. */
  readonly head: { readonly gen: Generation; readonly seq: SequenceId };
  /** Of a lobby, or a group that was one: the first entry that is kept. Those before it are gone. */
  readonly first?: SequenceId;
}

export interface Conversations {
  readonly t: 'conversations';
  readonly id: number;
  readonly conversations: readonly ConversationSummary[];
  readonly next: string | null;
}

export interface MemberInfo {
  readonly user: UserId;
  readonly role: Role;
  readonly readSeq: SequenceId;
  readonly deliveredSeq: SequenceId;
  /** Of one who was muted: until when (it may be over), null for ever. */
  readonly mutedUntil?: number | null;
}

export interface Members {
  readonly t: 'members';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly count: number;
  readonly members: readonly MemberInfo[];
  readonly next: UserId | null;
}

export interface Bans {
  readonly t: 'bans';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly count: number;
  /** A page may hold fewer than there was room for. */
  readonly users: readonly UserId[];
  readonly next: UserId | null;
}

export interface Info {
  readonly t: 'info';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string;
  readonly joinPolicy: JoinPolicy;
  readonly historyPolicy: HistoryPolicy;
  readonly muted: boolean;
  readonly slowModeMs: number;
  readonly mentionAllBy: MentionAllPolicy;
  /** Absent where the conversation has no own setting. */
  readonly retentionDays?: number;
  /** Likewise. */
  readonly lifetimeMs?: number;
  readonly pinBy: PinPolicy;
  readonly memberCount: number;
  /** The asker's. */
  readonly role: Role;
  /** The asker's, as in {@link MemberInfo}. */
  readonly mutedUntil?: number | null;
  /** The messages that are pinned and that the asker may see, as they were pinned one after the other. Absent for none. */
  readonly pinned?: readonly Pinned[];
  /** Of a direct conversation: whether the asker has blocked the other one. */
  readonly blocked?: boolean;
}

/** Of one entry: those who received it, its author left out, and how many of them have it and have read it. */
export interface ReceiptCounts {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly recipients: number;
  readonly delivered: number;
  readonly read: number;
}

export interface ReaderInfo {
  readonly user: UserId;
  readonly readSeq: SequenceId;
  readonly deliveredSeq: SequenceId;
}

export interface Readers extends ReceiptCounts {
  readonly t: 'readers';
  readonly id: number;
  readonly conversation: ConversationId;
  /** In order of user id: those that were asked for. A page may hold fewer than there was room for. */
  readonly users: readonly ReaderInfo[];
  readonly next: UserId | null;
}

export interface Created {
  readonly t: 'created';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** False when it was there already. */
  readonly fresh: boolean;
}

export interface Changed {
  readonly t: 'changed';
  readonly id: number;
  readonly conversation: ConversationId;
  /** The control entry that tells of it; the head when nothing had to change. */
  readonly gen: Generation;
  readonly seq: SequenceId;
}

export interface ReadDone extends UnreadInputs {
  readonly t: 'read';
  readonly id: number;
  readonly conversation: ConversationId;
}

export interface Pong {
  readonly t: 'pong';
  readonly id: number;
  readonly serverTime: number;
}

/** Why a conversation that is pulled tells one member of an entry at once: it mentions them, or is about them. */
export type HintReason = 'mention' | 'control';

/** Of an entry that no inbox has: that it is there, for one whom it concerns. The entry itself is pulled. */
export interface Hint {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly why: HintReason;
}

/** A message that the user has deleted for themselves, on one of their devices. */
export interface Deleted {
  readonly seq: SequenceId;
  /** Whether it counted as unread, and does not any more. */
  readonly counted: boolean;
}

/** One conversation's part of a push. */
export type PushItem<M = Message> =
  | { readonly conversation: ConversationId; readonly messages: readonly M[] }
  | { readonly conversation: ConversationId; readonly read: Omit<UnreadInputs, 'msgNo' | 'unread'> }
  /** In JSON with an empty `messages` beside it, for clients that do not know of hints. */
  | { readonly conversation: ConversationId; readonly hint: Hint }
  /** Likewise, for clients that do not know of deletions. */
  | { readonly conversation: ConversationId; readonly deleted: Deleted };

/**
 * What came into the user's inbox after `prev`, up to `seq`. A device whose own position is not `prev` has missed
 * something (`prev` above it) or has it already; then it syncs. What this very device sent is left out: it has the ack.
 */
export interface Push<M = Message> {
  readonly t: 'push';
  readonly gen: Generation;
  readonly prev: SequenceId;
  readonly seq: SequenceId;
  readonly items: readonly PushItem<M>[];
}

/**
 * Entries `prev + 1 .. seq` of an open conversation in read mode, without a gap: no inbox has them. A device whose own
 * position there is before `prev`, or of another generation, has missed something and pulls it.
 */
export interface Live<M = Message> {
  readonly t: 'live';
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly prev: SequenceId;
  readonly seq: SequenceId;
  readonly messages: readonly M[];
}

/** Where a conversation in read mode stands. */
export interface ConversationHead {
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** The latest messages that mention all and are not this user's own, rising; left out for none. */
  readonly mentionAll?: readonly SequenceId[];
}

/** Where conversations in read mode stand: what a device has not of one, up to there, it may pull. */
export interface Heads {
  readonly t: 'heads';
  readonly heads: readonly ConversationHead[];
}

/** This device is not in that lobby any more, and no entry has told why: the lobby is gone. */
export interface Ended {
  readonly t: 'ended';
  readonly conversation: ConversationId;
}

/** Another member's positions moved. Not stored for devices: `members` has the truth. */
export interface Receipt {
  readonly t: 'receipt';
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly readSeq: SequenceId;
  readonly deliveredSeq: SequenceId;
}

/** In a large conversation, instead of a {@link Receipt} for each position: how far its latest messages have come. */
export interface Receipts {
  readonly t: 'receipts';
  readonly conversation: ConversationId;
  /** Rising by seq. */
  readonly readers: readonly ReceiptCounts[];
}

export interface PresenceState {
  readonly user: UserId;
  readonly online: boolean;
}

/** Of users to whose presence this session has subscribed: who is online, or not any more. */
export interface Presence {
  readonly t: 'presence';
  readonly users: readonly PresenceState[];
}

export interface TypingNotice {
  readonly t: 'typing';
  readonly conversation: ConversationId;
  readonly user: UserId;
}

/** Something was not pushed to this device, or its inbox began a new generation: it must `sync` now. */
export interface Resync {
  readonly t: 'resync';
  readonly reason: 'slow' | 'moved' | 'regressed' | 'incomplete';
}

/** The server is about to go: finish, and reconnect (elsewhere) within `deadlineMs`. */
export interface Drain {
  readonly t: 'drain';
  readonly deadlineMs: number;
}

/** The refusal of one request, or (without `id`) of a frame that could not be read. */
export interface ErrorFrame extends FrameError {
  readonly t: 'error';
  readonly id?: number;
}

export type ServerFrame<M = Message> =
  | Connected
  | Ok
  | Ack
  | Synced<M>
  | Page<M>
  | Found<M>
  | Conversations
  | Members
  | Bans
  | ScheduledList
  | Info
  | Readers
  | Created
  | Changed
  | ReadDone
  | Pong
  | Push<M>
  | Live<M>
  | Heads
  | Ended
  | Receipt
  | Receipts
  | Presence
  | TypingNotice
  | Resync
  | Drain
  | ErrorFrame;
