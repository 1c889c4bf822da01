import type { ConversationId, DeviceId, Generation, Result, SequenceId, UserId } from '@millrace/kernel';
import type {
  Ack,
  Ban,
  Bans,
  Block,
  Changed,
  DiffusionModeName,
  Conversations,
  Create,
  Created,
  Delete,
  Delivered,
  Dissolve,
  Edit,
  Forward,
  Found,
  FrameError,
  GetInfo,
  History,
  Info,
  Invite,
  Join,
  Kick,
  Leave,
  ListBans,
  ListConversations,
  ListMembers,
  ListReaders,
  ListScheduled,
  Members,
  MessagePlace,
  Mute,
  Open,
  Page,
  PresenceState,
  Pin,
  Promote,
  PushItem,
  React,
  Read,
  ReadDone,
  Readers,
  Recall,
  Receipt,
  Receipts,
  Resync,
  Role,
  Schedule,
  ScheduledList,
  Search,
  Send,
  SendableType,
  SetRole,
  Settings,
  Sync,
  Synced,
  Thread,
  Typing,
  TypingNotice,
  Unban,
  Unblock,
  Unpin,
  Unschedule,
  Unmute,
  WireEntry,
} from '@millrace/protocol';
import type { Arrival } from './cluster/arrival.ts';
import type { LiveHead } from './live/watch.ts';
import type { EditHistory, EditHistoryQuery } from './revise/edit-history.ts';
import type { DueJob } from './scheduled/due-jobs.ts';
import type { DueOutcome } from './scheduled/send-due.ts';

/** The content of a request or an answer, without what only the wire needs. */
type Content<Frame> = Omit<Frame, 't' | 'id'>;
type Answer<Frame> = Promise<Result<Content<Frame>, FrameError>>;

/** Who asks. From the token or the API key, never from the payload (I11). */
export interface Principal {
  readonly user: UserId;
  readonly device: DeviceId;
}

/** Where the user's inbox stands, and when the session came that it was asked for. */
export interface Attached {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly arrival: Arrival;
  /** The conversations in read mode that the user is in, as far as the inbox knows; absent from a node of an earlier version. */
  readonly readMode?: readonly ConversationId[];
}

/** A message that a backend sends over HTTP as one of its users, with a client message id of free form. */
export interface KeyedSend {
  readonly conversation: ConversationId;
  readonly from: UserId;
  /** 1..64 characters, the same for every retry; of this user in this conversation. */
  readonly key: string;
  /** The window number that the server issued with {@link ConversationInfo}; an older one is `expired`. */
  readonly window: number;
  /** The seq that it must get, by the caller's own count: when another one is next, it is refused as `conflict`. */
  readonly seq?: SequenceId;
  readonly type: SendableType;
  readonly body: string | Uint8Array;
  /** Whom it is for above all; each must be a member. */
  readonly mentions?: readonly UserId[];
  readonly mentionAll?: true;
  /** The message that it answers, which `from` must be able to see. */
  readonly replyTo?: SequenceId;
}

/** A message that a backend forwards as one of its users, who must see it. */
export type KeyedForward = Pick<KeyedSend, 'conversation' | 'from' | 'key' | 'window'> & {
  readonly source: MessagePlace;
};

/** A backend's edit as one of its users, idempotent by its key like a {@link KeyedSend}. */
export type KeyedEdit = Pick<KeyedSend, 'conversation' | 'from' | 'key' | 'window' | 'body'> & {
  /** The message. */
  readonly seq: SequenceId;
};

/** A backend's reaction as one of its users, likewise. */
export type KeyedReact = Omit<KeyedEdit, 'body'> & { readonly emoji: string; readonly on: boolean };

/** What the HTTP API tells of a conversation: what a member is told, but for what is of the asker alone; and more. */
export interface ConversationInfo extends Omit<Info, 't' | 'id' | 'role' | 'mutedUntil' | 'blocked'> {
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** For {@link KeyedSend.window}. */
  readonly keyWindow: number;
  /** Whether what is said now comes into inboxes, or is pulled; a node of a former version does not tell it. */
  readonly diffusion?: DiffusionModeName;
  /** Of a lobby: entries that it keeps, and how many may be in it. */
  readonly backlog?: number;
  readonly membersMax?: number;
}

/** How order is kept in conversations. `by` null: the deployment's backend, which needs no role. */
export interface ModerationService {
  changeSettings(by: Principal | null, command: Content<Settings>): Answer<Changed>;
  mute(by: Principal | null, command: Content<Mute>): Answer<Changed>;
  unmute(by: Principal | null, command: Content<Unmute>): Answer<Changed>;
  ban(by: Principal | null, command: Content<Ban>): Answer<Changed>;
  unban(by: Principal | null, command: Content<Unban>): Answer<Changed>;
  promote(by: Principal | null, command: Content<Promote>): Answer<Changed>;
  dissolve(by: Principal | null, command: Content<Dissolve>): Promise<Result<null, FrameError>>;
  bans(by: Principal | null, query: Content<ListBans>): Answer<Bans>;
  /** The other user can send this one nothing in their direct conversation, nor make one. */
  block(by: UserId, command: Content<Block>): Promise<Result<null, FrameError>>;
  unblock(by: UserId, command: Content<Unblock>): Promise<Result<null, FrameError>>;
  infoFor(by: Principal, query: Content<GetInfo>): Answer<Info>;
}

/** Changes of messages that are there. */
export interface ReviseService {
  /** In order with what the device sends; `answer` is called exactly once. */
  edit(by: Principal, edit: Content<Edit>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
  react(by: Principal, react: Content<React>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
  recall(by: Principal, recall: Content<Recall>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
  /** Hides a message from this user alone. */
  delete(by: Principal, command: Content<Delete>): Promise<Result<null, FrameError>>;
  /** `by` null: the deployment's backend. */
  pin(by: Principal | null, command: Content<Pin>): Answer<Changed>;
  unpin(by: Principal | null, command: Content<Unpin>): Answer<Changed>;
  /** For a backend: as its author. */
  editFor(edit: KeyedEdit): Answer<Ack>;
  reactFor(react: KeyedReact): Answer<Ack>;
  /** All that a message has ever said, for the deployment's operators. */
  editHistory(query: EditHistoryQuery): Promise<Result<EditHistory, FrameError>>;
  /** For a backend, which needs no role. Of what was recalled before it tells where. */
  recallFor(conversation: ConversationId, seq: SequenceId, reason?: string): Answer<Changed>;
}

/** Messages of a user that are to be sent later: see docs/scheduled.md. */
export interface ScheduleService {
  schedule(user: UserId, message: Content<Schedule>): Answer<ScheduledList>;
  unschedule(user: UserId, command: Content<Unschedule>): Promise<Result<null, FrameError>>;
  scheduled(user: UserId, query: Content<ListScheduled>): Answer<ScheduledList>;
  /** For the job whose time has come, and nobody else. @param isLast - it will not be tried again. */
  sendDue(job: DueJob, isLast: boolean): Promise<DueOutcome>;
}

/** What {@link SearchService} answers. */
export type FoundContent = Content<Found<WireEntry>>;

/** Messages by their words and fields. */
export interface SearchService {
  /** Of what the user may read: in all their conversations, or in those that are named. */
  search(by: Principal, query: Content<Search>): Answer<Found<WireEntry>>;
  /** For a backend: of everything, or of the conversations that are named. */
  searchFor(query: Content<Search>): Answer<Found<WireEntry>>;
}

/**
 * What Millrace does for a client, behind every transport. Each call is authorised as its principal and answered
 * after the commit that makes the answer true (I1), or refused with an error that says what to do. Nothing throws for
 * what a client or Redis can cause.
 */
export interface ChatService extends ModerationService, ReviseService, SearchService, ScheduleService {
  /** The hot path, hence a callback and no promise. `answer` is called exactly once, never before this returns. */
  publish(by: Principal, send: Content<Send>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
  /** Likewise: brings a message from where it stands to another conversation. */
  forward(by: Principal, forward: Content<Forward>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
  create(by: Principal, command: Content<Create>): Answer<Created>;
  join(by: Principal, command: Content<Join>): Answer<Changed>;
  leave(by: Principal, command: Content<Leave>): Answer<Changed>;
  invite(by: Principal, command: Content<Invite>): Answer<Changed>;
  kick(by: Principal, command: Content<Kick>): Answer<Changed>;
  setRole(by: Principal, command: Content<SetRole>): Answer<Changed>;
  read(by: Principal, command: Content<Read>): Answer<ReadDone>;
  delivered(by: Principal, command: Content<Delivered>): Promise<Result<null, FrameError>>;
  /** Whether the user may open the conversation on a device: who is a member may. */
  open(by: Principal, command: Content<Open>): Promise<Result<null, FrameError>>;
  /** No device of the user on this node has that lobby open any more. */
  away(user: UserId, lobby: ConversationId): void;
  /** Nothing is stored, nothing answered; a non-member's notice goes nowhere. */
  typing(by: Principal, notice: Content<Typing>): void;
  history(by: Principal, query: Content<History>): Answer<Page<WireEntry>>;
  /** A page of what has come in the thread of a message. */
  thread(by: Principal, query: Content<Thread>): Answer<Page<WireEntry>>;
  members(by: Principal, query: Content<ListMembers>): Answer<Members>;
  readers(by: Principal, query: Content<ListReaders>): Answer<Readers>;
  conversations(by: Principal, query: Content<ListConversations>): Answer<Conversations>;
  sync(by: Principal, query: Content<Sync>): Answer<Synced<WireEntry>>;
  /**
   * From the answer on, {@link UserPushPort} is told of everything that comes into the user's inbox after `inbox`.
   * Pushes up to `inbox` may still arrive: the gateway drops them.
   */
  attach(user: UserId): Promise<Result<Attached, FrameError>>;
  /** The session that was given this arrival is open: older ones of its device, on whichever node, are to end. */
  connected(by: Principal, arrival: Arrival): void;
  /** The user's last session here is gone. */
  detach(user: UserId): void;
  /** Whether these users may be watched by this one. */
  mayWatch(by: Principal, users: readonly UserId[]): Promise<Result<null, FrameError>>;
  /** From now on {@link UserPushPort} is told whether that user is online: once, and whenever it changes. */
  watch(user: UserId): void;
  unwatch(user: UserId): void;

  // For a backend, by API key. It acts for the deployment, not as a user.
  info(conversation: ConversationId): Promise<Result<ConversationInfo, FrameError>>;
  publishKeyed(send: KeyedSend): Answer<Ack>;
  forwardKeyed(forward: KeyedForward): Answer<Ack>;
  /** As an owner would, without being a member; `creator` becomes the owner. Of many members as {@link addMembers}. */
  createFor(creator: UserId, command: Content<Create>): Answer<Created>;
  /** Any number, in chunks of a commit each. Refused in between, the error says by `done` how many of the list are in. */
  addMembers(conversation: ConversationId, users: readonly UserId[]): Answer<Changed>;
  removeMembers(conversation: ConversationId, users: readonly UserId[]): Answer<Changed>;
  assignRole(conversation: ConversationId, user: UserId, role: Role): Answer<Changed>;
  listMembers(query: Content<ListMembers>): Answer<Members>;
  listReaders(query: Content<ListReaders>): Answer<Readers>;
}

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

/** The sessions of users on this node: its gateway's. Nothing here may throw or block. */
export interface SessionPort {
  list(user: UserId): readonly SessionInfo[];
  /** Closes one session, or all of the user's, as revoked. @returns how many were closed. */
  kick(user: UserId, session?: string): number;
  /** Those that are open, with their devices. */
  arrivals(user: UserId): readonly { readonly device: DeviceId; readonly arrival: Arrival }[];
  /**
   * The device has a session elsewhere: an older one here is closed as replaced, also one that is still being opened, as
   * soon as its arrival is known. @returns the arrival of a newer one that is open here, to which the other is to give way.
   */
  replace(user: UserId, device: DeviceId, arrival: Arrival): Arrival | null;
}

/** Entries of a conversation in read mode, of generation `gen`, from `prev` + 1 on without a gap. */
export interface LiveEntries {
  readonly gen: Generation;
  readonly prev: SequenceId;
  readonly entries: readonly WireEntry[];
}

/**
 * What the sockets of this node are told of conversations in read mode, in order for each conversation: after the commit
 * that it speaks of (I1), and only to users who are members as of it (I7, I11). None may throw or block.
 */
export interface LivePort {
  /** These users are in it from here on. They may lack what was before, but what came up to `since` is not for them. */
  entered(conversation: ConversationId, users: readonly UserId[], head: LiveHead, since: SequenceId): void;
  /** These are not any more: nothing from here on is for them. */
  left(conversation: ConversationId, users: readonly UserId[]): void;
  live(conversation: ConversationId, live: LiveEntries): void;
  /** It stands there; everything up to there was told by {@link live}, or {@link stands}. */
  at(conversation: ConversationId, head: LiveHead): void;
  /** It stands there, and everybody in it may lack something. */
  stands(conversation: ConversationId, head: LiveHead): void;
  /** It is not in read mode any more. */
  over(conversation: ConversationId): void;
  /** These are not in the lobby any more, and no entry has told so. */
  gone(conversation: ConversationId, users: readonly UserId[]): void;
}

/** What came into one user's inbox by one commit: inbox seqs `from..to` of generation `gen`. */
export interface UserPush {
  readonly gen: Generation;
  readonly from: SequenceId;
  readonly to: SequenceId;
  readonly items: readonly PushItem<WireEntry>[];
}

/**
 * Where committed news of a user goes: the gateways that hold their sockets. Every call comes after the commit that
 * it speaks of, in commit order for each user; none may throw or block. A user without a socket is ignored.
 */
export interface UserPushPort {
  push(user: UserId, push: UserPush): void;
  receipt(users: readonly UserId[], receipt: Content<Receipt>): void;
  receipts(users: readonly UserId[], receipts: Content<Receipts>): void;
  /** Of users that are watched here. */
  presence(states: readonly PresenceState[]): void;
  typing(users: readonly UserId[], notice: Content<TypingNotice>): void;
  /** Pushes to this user may be missing from here on (their partition moved, say): devices must sync. */
  resync(user: UserId, reason: Resync['reason']): void;
}
