import type { ConversationId, DeviceId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { FrameError } from './errors.ts';

/*
 * Protocol v1, as TypeScript. docs/protocol.md is its specification, docs/asyncapi.yaml its schema. A JSON frame is
 * one of these objects, or an array of them; a binary frame is one or more records of the same content.
 *
 * Every request has an `id` (1..2^32-1, chosen by the client, unique among its unanswered ones) and gets exactly one
 * answer with the same `id`: the one named beside it, or `error`. Times are milliseconds since 1970.
 */

/** What a message is. `control` and `void` are written by the server only. */
export type MessageType = 'text' | 'image' | 'file' | 'custom' | 'control' | 'void';
export type SendableType = Exclude<MessageType, 'control' | 'void'>;

/** A lobby is kept in memory only, while somebody is in it. Its id begins with `~`, and no other's does. */
export type ConversationKind = 'direct' | 'group' | 'channel' | 'lobby';
export type Role = 'owner' | 'admin' | 'member';
/** Who may join without an invitation. */
export type JoinPolicy = 'invite' | 'open';
/** What a new member sees: from their join on, or everything. */
export type HistoryPolicy = 'join' | 'all';
/** How a conversation's messages reach its members: `write` into each one's inbox, `read` by being pulled from it. */
export type DiffusionModeName = 'write' | 'read';
/** Who may mention all members at once. */
export type MentionAllPolicy = 'admins' | 'members';
export type AckLevelName = 'memory' | 'disk' | 'replicated';
/** What one ack promises: the deployment's level, or in a lobby nothing that outlives its node. */
export type AckedLevel = AckLevelName | 'volatile';

// ---------------------------------------------------------------------------------------------- client → server

/** The first frame, within the handshake time-out. Answered by {@link Connected}. */
export interface Connect {
  readonly t: 'connect';
  readonly id: number;
  /** A JWT. The user is its `sub`; never anything else in this frame. */
  readonly token: string;
  /** New for every installation, and whenever a client lost the send counters it kept under the old one. */
  readonly device: DeviceId;
  /** Name and version of the client, for logs: at most 64 characters. */
  readonly client?: string;
}

/** A fresh token for a session that goes on. Answered by {@link Ok}. */
export interface Refresh {
  readonly t: 'refresh';
  readonly id: number;
  readonly token: string;
}

/** Answered by {@link Ack}, after the commit. */
export interface Send {
  readonly t: 'send';
  readonly id: number;
  readonly conversation: ConversationId;
  /**
   * The client message id: this device's counter in this conversation, from 1, one higher for each new message.
   * A retry repeats it. A number is never given to another message.
   */
  readonly n: number;
  /**
   * The number of this device's message here that this one follows, below `n`; absent for `n` − 1. The numbers in
   * between are skipped, for ever. Accepted only when `after` is the last one that was, else `out_of_order`.
   */
  readonly after?: number;
  /** The device's logical timestamp: any whole number from 0 that does not fall within a device. */
  readonly sentAt: number;
  readonly type: SendableType;
  /** Text, or bytes (in JSON `bodyBase64` instead of `body`). */
  readonly body: string | Uint8Array;
  /** Members whom the message is for above all, 1..50. Each must be one when it is stored, else `not_mentionable`. */
  readonly mentions?: readonly UserId[];
  /** It is for all members above all. Refused as `forbidden` to whom the conversation's `mentionAllBy` leaves out. */
  readonly mentionAll?: true;
}

/** Answered by {@link Synced}. */
export interface Sync {
  readonly t: 'sync';
  readonly id: number;
  /** From the last `synced`; absent on a new device, which gets `tooLong` and a snapshot of its conversations. */
  readonly token?: string;
  /** The inbox position up to which pushes were received without a gap, when it is past the token's. */
  readonly seen?: { readonly gen: Generation; readonly seq: SequenceId };
  /** Positions in conversations of diffusion `read` up to which everything was received beside this, past the token's. */
  readonly reached?: readonly Reached[];
  /** Messages wanted in one answer, 1..1000, default 500. */
  readonly limit?: number;
}

/** A device holds everything of the conversation that its user may see, up to there. */
export interface Reached {
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/** A page of one conversation. Answered by {@link Page}. */
export interface History {
  readonly t: 'history';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly direction: 'forward' | 'backward';
  /** Inclusive. Absent: the first visible message going forward, the head going backward. */
  readonly from?: SequenceId;
  /** The generation in which the client learned `from`; then a lost position is answered `regressed`. */
  readonly gen?: Generation;
  /** 1..1000, default 50. */
  readonly limit?: number;
}

/** The user's conversations, the latest active first. Answered by {@link Conversations}. */
export interface ListConversations {
  readonly t: 'conversations';
  readonly id: number;
  /** `next` of the page before. */
  readonly after?: string;
  /** 1..500, default 100. */
  readonly limit?: number;
}

/** Answered by {@link Members}, in order of user id. */
export interface ListMembers {
  readonly t: 'members';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly after?: UserId;
  /** 1..1000, default 200. */
  readonly limit?: number;
}

/** Which of those who received an entry are listed: who has read it or not, who has it or not. */
export type ReadersList = 'read' | 'unread' | 'delivered' | 'undelivered';

/** Who has read one entry. Answered by {@link Readers}. */
export interface ListReaders {
  readonly t: 'readers';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** Absent: the counts alone. */
  readonly list?: ReadersList;
  readonly after?: UserId;
  /** 1..1000, default 200. */
  readonly limit?: number;
}

/**
 * Answered by {@link Created}. Idempotent: the same creator with the same conversation id gets the first answer; a
 * `direct` conversation has no id of its own choosing, its two members name it.
 */
export interface Create {
  readonly t: 'create';
  readonly id: number;
  readonly kind: ConversationKind;
  /** Chosen by the client (a random one, say) so that a retry creates nothing new; absent: the server's choice. */
  readonly conversation?: ConversationId;
  /** At most 200 characters. */
  readonly title?: string;
  /** Beside the creator. Exactly one for `direct`. */
  readonly members: readonly UserId[];
  /** Default `invite`. */
  readonly joinPolicy?: JoinPolicy;
  /** Default `all`. */
  readonly historyPolicy?: HistoryPolicy;
  /** Of a lobby: the latest entries that it keeps for those who come late, 0..1000. Default: the server's. */
  readonly backlog?: number;
  /** Of a lobby: members at a time, 1..10000. Default: the server's. */
  readonly membersMax?: number;
}

/** All answered by {@link Changed}; all idempotent. To join a lobby opens it on this device, too. */
export interface Join {
  readonly t: 'join';
  readonly id: number;
  readonly conversation: ConversationId;
}
export interface Leave {
  readonly t: 'leave';
  readonly id: number;
  readonly conversation: ConversationId;
}
export interface Invite {
  readonly t: 'invite';
  readonly id: number;
  readonly conversation: ConversationId;
  /** 1..200. */
  readonly users: readonly UserId[];
}
export interface Kick {
  readonly t: 'kick';
  readonly id: number;
  readonly conversation: ConversationId;
  /** 1..200. */
  readonly users: readonly UserId[];
}
/** Only an owner changes roles. */
export interface SetRole {
  readonly t: 'role';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly role: Role;
}

/** Title, policies and how members may write; what is left out stays. The owner and admins. Answered by {@link Changed}. */
export interface Settings {
  readonly t: 'settings';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly title?: string;
  readonly joinPolicy?: JoinPolicy;
  /** For those who join from now on. */
  readonly historyPolicy?: HistoryPolicy;
  /** Only the owner and admins write. */
  readonly muted?: boolean;
  /** Least time between two messages of one member, 0..86,400,000; 0 for none. The owner and admins are exempt. */
  readonly slowModeMs?: number;
  /** Who may mention all members; `admins` are the owner and admins. */
  readonly mentionAllBy?: MentionAllPolicy;
}

/** Members of a lower role than the asker's do not write until a time, or for ever. Answered by {@link Changed}. */
export interface Mute {
  readonly t: 'mute';
  readonly id: number;
  readonly conversation: ConversationId;
  /** 1..200. */
  readonly users: readonly UserId[];
  /** By the server's clock; absent: for ever. */
  readonly until?: number;
}
export interface Unmute {
  readonly t: 'unmute';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly users: readonly UserId[];
}
/** Removes users of a lower role than the asker's, and keeps them out. Answered by {@link Changed}. */
export interface Ban {
  readonly t: 'ban';
  readonly id: number;
  readonly conversation: ConversationId;
  /** 1..200; also of users who are no members. */
  readonly users: readonly UserId[];
}
export interface Unban {
  readonly t: 'unban';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly users: readonly UserId[];
}

/** A lobby becomes a group, with its id, its members and what it keeps. Its owner. Answered by {@link Changed}. */
export interface Promote {
  readonly t: 'promote';
  readonly id: number;
  readonly conversation: ConversationId;
}

/** A lobby ends, for all who are in it. Its owner. Answered by {@link Ok}. */
export interface Dissolve {
  readonly t: 'dissolve';
  readonly id: number;
  readonly conversation: ConversationId;
}

/** Who is banned, for the owner and admins. Answered by {@link Bans}, in order of user id. */
export interface ListBans {
  readonly t: 'bans';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly after?: UserId;
  /** 1..1000, default 200. */
  readonly limit?: number;
}

/** That user can send this one nothing in their direct conversation, nor make one. Answered by {@link Ok}. */
export interface Block {
  readonly t: 'block';
  readonly id: number;
  readonly user: UserId;
}
export interface Unblock {
  readonly t: 'unblock';
  readonly id: number;
  readonly user: UserId;
}

/**
 * From the answer on, {@link Presence} tells whether these users are online: first of all of them, then what changes. Each
 * must share a direct conversation with this user, and not have blocked them. Answered by {@link Ok}.
 */
export interface SubscribePresence {
  readonly t: 'subscribePresence';
  readonly id: number;
  /** 1..200, and as many of one session together. */
  readonly users: readonly UserId[];
}
export interface UnsubscribePresence {
  readonly t: 'unsubscribePresence';
  readonly id: number;
  /** 1..200. */
  readonly users: readonly UserId[];
}

/** A conversation's settings, for its members. Answered by {@link Info}. */
export interface GetInfo {
  readonly t: 'info';
  readonly id: number;
  readonly conversation: ConversationId;
}

/** Moves the user's read position up to `seq`, never back. Answered by {@link ReadDone}. */
export interface Read {
  readonly t: 'read';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
}

/** Tells that a device of the user holds everything up to `seq`. Answered by {@link Ok}. */
export interface Delivered {
  readonly t: 'delivered';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
}

/**
 * This device shows the conversation: while it is in read mode its entries come by {@link Live}. Answered by {@link Ok};
 * opening again what is open does no harm. Ends with {@link Close}, with the connection, or with the membership.
 */
export interface Open {
  readonly t: 'open';
  readonly id: number;
  readonly conversation: ConversationId;
}

/** This device does not show the conversation any more. Answered by {@link Ok}, also when it was not open. */
export interface Close {
  readonly t: 'close';
  readonly id: number;
  readonly conversation: ConversationId;
}

/** Not stored. The only frame without an answer. */
export interface Typing {
  readonly t: 'typing';
  readonly conversation: ConversationId;
}

/** Answered by {@link Pong}. */
export interface Ping {
  readonly t: 'ping';
  readonly id: number;
}

export type ClientFrame =
  | Connect
  | Refresh
  | Send
  | Sync
  | History
  | ListConversations
  | ListMembers
  | ListReaders
  | Create
  | Join
  | Leave
  | Invite
  | Kick
  | SetRole
  | Settings
  | Mute
  | Unmute
  | Ban
  | Unban
  | Promote
  | Dissolve
  | ListBans
  | Block
  | Unblock
  | GetInfo
  | SubscribePresence
  | UnsubscribePresence
  | Read
  | Delivered
  | Open
  | Close
  | Typing
  | Ping;

export type ClientRequest = Exclude<ClientFrame, Typing>;

// ---------------------------------------------------------------------------------------------- server → client

/** One entry of a conversation as clients see it. */
export interface Message {
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** How many countable messages the conversation has up to here, this one included if it counts. */
  readonly msgNo: number;
  readonly countable: boolean;
  /** Null when the server itself speaks (`void`). */
  readonly from: UserId | null;
  /** `deviceTag(user, device)` of the sending device, 0 when none; with `n` it matches a device's own message. */
  readonly deviceTag: number;
  /** The sender's counter; 0 when it was not sent by a device. */
  readonly n: number;
  readonly sentAt: number;
  /** When the server sequenced it. For display: the order is `seq`. */
  readonly at: number;
  readonly type: MessageType;
  /** Text, or bytes (`bodyBase64` in JSON). For `control` the JSON text of a {@link ControlBody}. */
  readonly body: string | Uint8Array;
  /** As they were sent: whom it is for above all. Absent for nobody in particular. */
  readonly mentions?: readonly UserId[];
  readonly mentionAll?: true;
}

/** The body of a control entry: what happened to the conversation. The actor is the message's `from`. */
export type ControlBody =
  | {
      readonly control: 'created';
      readonly kind: ConversationKind;
      readonly title: string;
      readonly members: readonly UserId[];
    }
  | { readonly control: 'joined'; readonly users: readonly UserId[] }
  | { readonly control: 'left'; readonly users: readonly UserId[] }
  | { readonly control: 'kicked'; readonly users: readonly UserId[] }
  | { readonly control: 'role'; readonly user: UserId; readonly role: Role }
  /** The server's: how what follows is diffused. */
  | { readonly control: 'diffusion'; readonly mode: DiffusionModeName }
  /** What was set, and nothing else. */
  | ({ readonly control: 'settings' } & Omit<Settings, 't' | 'id' | 'conversation'>)
  /** `until` null: for ever. */
  | { readonly control: 'muted'; readonly users: readonly UserId[]; readonly until: number | null }
  | { readonly control: 'unmuted'; readonly users: readonly UserId[] }
  /** Those of them that were members are gone by the `kicked` right before. */
  | { readonly control: 'banned'; readonly users: readonly UserId[] }
  | { readonly control: 'unbanned'; readonly users: readonly UserId[] }
  /**
   * The lobby is a group from here on, of which all who are in it are members; this is its first entry for their inboxes.
   * Positions of the lobby in its last generation, `gen`, are those of the group. What was before `first` is not kept.
   */
  | {
      readonly control: 'promoted';
      readonly kind: 'group';
      readonly title: string;
      readonly gen: Generation;
      readonly first: SequenceId;
    }
  /** The last entry of a lobby: nobody is in it any more. */
  | { readonly control: 'dissolved' };

/** The inputs of an unread count: `unread = msgNo − readMsgNo − own`. */
export interface UnreadInputs {
  /** Of the last message that this user may see, or of diffusion `write` the last one in their inbox. */
  readonly msgNo: number;
  readonly readSeq: SequenceId;
  readonly readMsgNo: number;
  /** This user's own countable messages after `readSeq`. */
  readonly own: number;
  readonly unread: number;
}

export interface ConversationSummary extends UnreadInputs {
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string;
  /** The other one of a direct conversation, else null. */
  readonly peer: UserId | null;
  /** False after a leave or kick: what was seen stays readable. */
  readonly member: boolean;
  /** `read`: its messages come by `sync`, not by the inbox. */
  readonly diffusion: DiffusionModeName;
  /** The last entry that this user may see. */
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** When it was sequenced. */
  readonly lastAt: number;
  /**
   * The messages behind `readSeq` that mention this user, or all, and are not their own: the latest 100, rising. How many
   * they are is the counter. Absent for none.
   */
  readonly mentions?: readonly SequenceId[];
}

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
  readonly memberCount: number;
  /** The asker's. */
  readonly role: Role;
  /** The asker's, as in {@link MemberInfo}. */
  readonly mutedUntil?: number | null;
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

/** One conversation's part of a push. */
export type PushItem<M = Message> =
  | { readonly conversation: ConversationId; readonly messages: readonly M[] }
  | { readonly conversation: ConversationId; readonly read: Pick<UnreadInputs, 'readSeq' | 'readMsgNo' | 'own'> }
  /** In JSON with an empty `messages` beside it, for clients that do not know of hints. */
  | { readonly conversation: ConversationId; readonly hint: Hint };

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
  | Conversations
  | Members
  | Bans
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
