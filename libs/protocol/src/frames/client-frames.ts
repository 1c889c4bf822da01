import type { ConversationId, DeviceId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { ConversationKind, HistoryPolicy, JoinPolicy, MentionAllPolicy, PinPolicy, Role } from './names.ts';
import type { Edit, Forward, React, Recall, Send } from './numbered-frames.ts';
import type { ListScheduled, Schedule, Unschedule } from './scheduled-frames.ts';
import type { Search } from './search-frames.ts';

// What clients ask: client → server.

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

/** Hides a message from this user alone, on all their devices, for ever. Answered by {@link Ok}. */
export interface Delete {
  readonly t: 'delete';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** As of an {@link Edit}. */
  readonly gen?: Generation;
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

/** A page of what has come in the thread of a message. Answered by {@link Page}. */
export interface Thread {
  readonly t: 'thread';
  readonly id: number;
  readonly conversation: ConversationId;
  /** Its first message. */
  readonly seq: SequenceId;
  readonly direction: 'forward' | 'backward';
  /** Inclusive. Absent: the first reply going forward, the last going backward. */
  readonly from?: SequenceId;
  /** 1..200, default 50. */
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
  /** Messages are kept for so many days, 0..36,500; 0 for as long as the deployment keeps them. The owner alone. */
  readonly retentionDays?: number;
  /**
   * Messages disappear for everybody so long after they were sent, milliseconds: 5,000..31,622,400,000, and a tenth more at
   * most; 0 for not at all. The owner alone.
   */
  readonly lifetimeMs?: number;
  /** Who may pin messages; `admins` are the owner and admins. */
  readonly pinBy?: PinPolicy;
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

/**
 * Shows a message to all above all, or not any more: whoever `pinBy` lets, of a direct conversation both. 100 messages at
 * most. Answered by {@link Changed}.
 */
export interface Pin {
  readonly t: 'pin';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** As of an {@link Edit}. */
  readonly gen?: Generation;
}
export interface Unpin {
  readonly t: 'unpin';
  readonly id: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
  /** As of an {@link Edit}. */
  readonly gen?: Generation;
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
  | Forward
  | Edit
  | Recall
  | React
  | Delete
  | Sync
  | History
  | Search
  | Thread
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
  | Pin
  | Unpin
  | Promote
  | Dissolve
  | ListBans
  | Block
  | Unblock
  | Schedule
  | Unschedule
  | ListScheduled
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
