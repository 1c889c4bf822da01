import type { ConversationId, DeviceId, Generation, Result, SequenceId, UserId } from '@millrace/kernel';
import type {
  Ack,
  Ban,
  Bans,
  Block,
  Changed,
  ConversationKind,
  Conversations,
  Create,
  Created,
  Delivered,
  Dissolve,
  FrameError,
  GetInfo,
  History,
  HistoryPolicy,
  Info,
  Invite,
  Join,
  JoinPolicy,
  Kick,
  Leave,
  ListBans,
  ListConversations,
  ListMembers,
  ListReaders,
  Members,
  MentionAllPolicy,
  Mute,
  Open,
  Page,
  PresenceState,
  Promote,
  PushItem,
  Read,
  ReadDone,
  Readers,
  Receipt,
  Receipts,
  Resync,
  Role,
  Send,
  SendableType,
  SetRole,
  Settings,
  Sync,
  Synced,
  Typing,
  TypingNotice,
  Unban,
  Unblock,
  Unmute,
  WireEntry,
} from '@millrace/protocol';
import type { Arrival } from './cluster/arrival.ts';
import type { LiveHead } from './live/watch.ts';

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
}

/** What the HTTP API tells of a conversation. */
export interface ConversationInfo {
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string;
  readonly joinPolicy: JoinPolicy;
  readonly historyPolicy: HistoryPolicy;
  /** Only the owner and admins write. */
  readonly muted: boolean;
  /** Least time between two messages of one member, milliseconds; 0 for none. */
  readonly slowModeMs: number;
  /** Who may mention all members. */
  readonly mentionAllBy: MentionAllPolicy;
  readonly memberCount: number;
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** For {@link KeyedSend.window}. */
  readonly keyWindow: number;
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

/**
 * What Millrace does for a client, behind every transport. Each call is authorised as its principal and answered
 * after the commit that makes the answer true (I1), or refused with an error that says what to do. Nothing throws for
 * what a client or Redis can cause.
 */
export interface ChatService extends ModerationService {
  /** The hot path, hence a callback and no promise. `answer` is called exactly once, never before this returns. */
  publish(by: Principal, send: Content<Send>, answer: (outcome: Result<Content<Ack>, FrameError>) => void): void;
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
  /** These users are in it from here on. They may lack what was before. */
  entered(conversation: ConversationId, users: readonly UserId[], head: LiveHead): void;
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
