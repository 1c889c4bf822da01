import type { DiffusionMode, MembershipInterval, ReadSegment, SeqRange } from '@millrace/diffusion';
import type { DeviceId, Generation, Result, SequenceId, UserId } from '@millrace/kernel';
import type {
  Ack,
  Bans,
  Changed,
  ConversationKind,
  Create,
  Created,
  ForwardedFrom,
  FrameError,
  Gone,
  History,
  Info,
  Members,
  Page,
  Mentions,
  ReadDone,
  Readers,
  ReadersList,
  Receipts,
  Role,
  Send,
  SendableType,
  Settings,
  WireEntry,
} from '@millrace/protocol';
import type { Tiers } from '@millrace/archive';
import type { Position, TimelineHead } from '@millrace/timeline';
import type { ConversationInfo, Principal } from '../chat-service.ts';
import type { ConversationFacts } from '../effects.ts';
import type { LobbyTold } from '../lobby/lobby-facts.ts';
import type { RevisionFacts, TargetFacts } from '../revise/revision.ts';
import type { Adoption } from './adoption.ts';
import type { MentionOfAll } from './conversation-state.ts';
import type { Exported, ExportFrom } from './exported.ts';
import type { GoneAsked } from './gone.ts';
import type { Stamped } from './stamped.ts';
import type { ImportedTo, ImportPart } from './imported.ts';
import type { Numbered } from './numbering.ts';
import type { Retired } from './retire.ts';
import type { Reading } from '../user/commands.ts';

type Content<Frame> = Omit<Frame, 't' | 'id'>;

/** Everything that a conversation can be asked, with what it answers. Queries are commands that change nothing. */
export interface ConversationCalls {
  /** `stale`: what was looked up has changed since, and is to be looked up again. */
  publish: {
    command: { readonly by: Principal; readonly send: Content<Send>; readonly looked?: LookedUp };
    reply: Content<Ack> | 'stale';
  };
  publishKeyed: {
    command: {
      readonly from: UserId;
      readonly key: string;
      readonly window: number;
      readonly seq?: SequenceId;
      readonly type: SendableType;
      readonly body: string | Uint8Array;
      readonly looked?: LookedUp;
    } & Mentions;
    reply: Content<Ack> | 'stale';
  };
  /** A change of a message. `stale`: it was changed since the facts were read, which are to be read again. */
  revise: {
    command: {
      readonly by: Principal;
      readonly numbered: Numbered;
      readonly change: Change;
      readonly facts: TargetFacts;
    };
    reply: Content<Ack> | 'stale';
  };
  /** A change by a backend, as one of its users. */
  reviseKeyed: {
    command: {
      readonly from: UserId;
      readonly key: string;
      readonly window: number;
      readonly change: Change;
      readonly facts: TargetFacts;
    };
    reply: Content<Ack> | 'stale';
  };
  recallFor: { command: { readonly facts: TargetFacts; readonly reason?: string }; reply: Content<Changed> | 'stale' };
  /** Hides a message from this user alone. */
  deleteFor: { command: { readonly user: UserId; readonly facts: TargetFacts }; reply: null | 'stale' };
  /** `by` null: the deployment's backend. */
  pin: {
    command: { readonly by: UserId | null; readonly isOn: boolean; readonly facts: TargetFacts };
    reply: Content<Changed> | 'stale';
  };
  create: {
    command: { readonly creator: UserId; readonly kind: ConversationKind } & Required<
      Pick<Create, 'title' | 'members' | 'joinPolicy' | 'historyPolicy'>
    > &
      Pick<Create, 'backlog' | 'membersMax'>;
    reply: Content<Created>;
  };
  /** `by` null: the deployment's backend, which needs no role. */
  join: { command: { readonly user: UserId }; reply: Content<Changed> };
  leave: { command: { readonly user: UserId }; reply: Content<Changed> };
  invite: { command: { readonly by: UserId | null; readonly users: readonly UserId[] }; reply: Content<Changed> };
  kick: { command: { readonly by: UserId | null; readonly users: readonly UserId[] }; reply: Content<Changed> };
  role: {
    command: { readonly by: UserId | null; readonly user: UserId; readonly role: Role };
    reply: Content<Changed>;
  };
  settings: { command: { readonly by: UserId | null; readonly change: SettingsChange }; reply: Content<Changed> };
  /** `until` is wall time of the server; null: for ever. */
  mute: {
    command: { readonly by: UserId | null; readonly users: readonly UserId[]; readonly until: number | null };
    reply: Content<Changed>;
  };
  unmute: { command: { readonly by: UserId | null; readonly users: readonly UserId[] }; reply: Content<Changed> };
  ban: { command: { readonly by: UserId | null; readonly users: readonly UserId[] }; reply: Content<Changed> };
  unban: { command: { readonly by: UserId | null; readonly users: readonly UserId[] }; reply: Content<Changed> };
  bans: {
    command: { readonly by: UserId | null; readonly after: UserId | null; readonly limit: number };
    reply: Content<Bans>;
  };
  /** Of the direct conversation of the two. */
  block: { command: { readonly by: UserId; readonly user: UserId; readonly isOn: boolean }; reply: null };
  /** Of a direct conversation: whether `by` may see if the other one is online. */
  mayWatch: { command: { readonly by: UserId }; reply: null };
  infoFor: { command: { readonly user: UserId }; reply: Content<Info> };
  /** What has to be looked up in the Timeline before a read position can move up to `seq`. */
  readPlan: { command: { readonly user: UserId; readonly seq: SequenceId }; reply: ReadPlan };
  markRead: {
    command: {
      readonly user: UserId;
      readonly seq: SequenceId;
      /** Of the entry at `seq` that was looked up. A node that runs an earlier version leaves it out. */
      readonly gen?: Generation;
      readonly msgNo: number;
      readonly sentAtRead: number;
      /** How many are gone between `seq` and what the conversation lists, where it is asked for; see `ReadPlan.gone`. */
      readonly goneBefore?: { readonly count: number } & GoneAsked;
    };
    reply: Content<ReadDone>;
  };
  delivered: { command: { readonly user: UserId; readonly seq: SequenceId }; reply: null };
  typing: { command: { readonly user: UserId }; reply: null };
  /** `user` null: the deployment's backend, which sees everything. */
  visible: { command: { readonly user: UserId | null }; reply: Visible };
  members: {
    command: { readonly by: UserId | null; readonly after: UserId | null; readonly limit: number };
    reply: Content<Members>;
  };
  /** Of one entry, whose author is left out: how many have read it, and who. `by` null: the deployment's backend. */
  readers: {
    command: {
      readonly by: UserId | null;
      readonly seq: SequenceId;
      readonly author: UserId | null;
      /** Null: the counts alone. */
      readonly list: ReadersList | null;
      readonly after: UserId | null;
      readonly limit: number;
    };
    reply: Content<Readers>;
  };
  /** How far the latest messages of a large conversation have come, for their authors. */
  latestReceipts: { command: Record<never, never>; reply: LatestReceipts };
  info: { command: Record<never, never>; reply: ConversationInfo };
  /**
   * For diffusion that resumes after a crash: with their intervals, everyone who is or was a member, or of a range all
   * into whose inbox anything of it goes.
   */
  audience: { command: { readonly range: SeqRange | null }; reply: Audience };
  /** Where it stands for one user; null when it does not exist, or they never were in it. */
  head: { command: { readonly user: UserId }; reply: ConversationHead | null };
  /** Of one entry: who got it, and how far they say that they are. Of the members `user` alone, or the first `limit`. */
  audienceAt: {
    command: {
      readonly seq: SequenceId;
      readonly author: { readonly user: UserId; readonly deviceTag: number } | null;
      readonly user: UserId | null;
      readonly limit: number;
    };
    reply: AudienceAt;
  };
  /** For whoever brings the entries to these users as they come: where the conversation stands, and who of them is in it. */
  watch: { command: { readonly users: readonly UserId[] }; reply: WatchState };
  /** A page of what a lobby keeps; null when the conversation is stored, and its Timeline is to be read. */
  kept: {
    command: { readonly user: UserId | null; readonly query: Omit<History, 't' | 'id' | 'conversation'> };
    reply: Content<Page<WireEntry>> | null;
  };
  /** A lobby becomes a group. Of a group that was one: where that stands. */
  promote: { command: { readonly by: UserId | null }; reply: Content<Changed> };
  /** A lobby ends. */
  dissolve: { command: { readonly by: UserId | null }; reply: null };
  /** What is left of a lobby becomes this conversation, which has nothing yet. */
  adopt: { command: { readonly adoption: Adoption }; reply: Content<Changed> };
  /** Where its entries are, as far as they are acknowledged (I1). */
  tiers: { command: Record<never, never>; reply: KeptTiers };
  /**
   * The archive has what follows on `after`, where the archived part ended, up to `to`: that leaves the hot Timeline, in
   * the same commit (I8). Answers where the entries are then: as before when something is not as it is said.
   */
  archived: { command: { readonly after: SequenceId; readonly to: Position }; reply: KeptTiers };
  /**
   * The first entries are older than is kept: they leave the Timeline, which begins behind them, with this commit. What
   * was not read of them nobody has to read any more. Answers where the entries are then: as before when something is not
   * as it is said, or when many have not read them; then the same is asked once more. With `isTold` an entry tells devices
   * to let go of them, when there were messages among them.
   */
  retire: { command: { readonly retired: Retired; readonly isTold?: true }; reply: KeptTiers };
  /** What is kept of it beside its entries, for an export: a page. */
  exported: { command: ExportFrom; reply: Exported };
  /** Takes a part of an export. */
  import: { command: { readonly part: ImportPart }; reply: ImportedTo | 'stale' };
  /**
   * All that a user has sent here is erased: shown to nobody from this commit on. A member of a group leaves it, and nothing is
   * remembered of them; in a direct conversation, which is named by both, the membership stays.
   *
   * @param pinned - who has sent each message that is pinned: theirs is not any more. `stale` when others are by now.
   */
  eraseUser: {
    command: { readonly user: UserId; readonly pinned: readonly (readonly [SequenceId, UserId | null])[] };
    reply: ErasedHere | 'stale';
  };
  /** Takes a user's reactions to one message away, which they cannot any more. */
  unreact: { command: { readonly user: UserId; readonly facts: TargetFacts }; reply: null | 'stale' };
  /** The whole conversation is no more. @param fields - what is stored beside it. */
  eraseAll: { command: { readonly fields: readonly string[] }; reply: null };
  /** How far each of these users is, for one whose partition or this one may have lost something. */
  standings: { command: { readonly users: readonly UserId[] }; reply: Standings };
}

/** What of a conversation may be set; what is left out stays. */
export type SettingsChange = Omit<Settings, 't' | 'id' | 'conversation'>;

/** What the node that was asked has looked up for a message before it came here: it is in the store, and not what a client says (I11). */
export interface LookedUp {
  /** Of one that answers another: that one, and what became of the first message of the thread. */
  readonly reply?: { readonly target: TargetFacts; readonly thread: RevisionFacts };
  /** Of one that was forwarded: where it was said that this node has its content from. */
  readonly forwardedFrom?: ForwardedFrom;
  /** It cannot be sent. Where it is a retry of one that was stored, that one's answer stands all the same (I4). */
  readonly refusal?: FrameError;
}

/** What is to become of a message. */
export type Change =
  | { readonly op: 'edit'; readonly body: string | Uint8Array }
  | { readonly op: 'react'; readonly emoji: string; readonly isOn: boolean }
  | { readonly op: 'recall'; readonly reason?: string };

export interface ReadPlan extends Stamped {
  /** `seq`, but not above what the user may see. */
  readonly upTo: SequenceId;
  readonly head: TimelineHead;
  readonly headMsgNo: number;
  /** How many the user has sent, and where the last one stands. */
  readonly sent: number;
  readonly lastSentSeq: SequenceId;
  readonly reading: Reading;
  /** The user's unread mentions. A node that runs an earlier version leaves it out. */
  readonly mentions?: readonly SequenceId[];
  /** What is gone of what they have not read, at present. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
  /** Of what lies far back the conversation has a number only: behind `upTo` it is to be counted anew. Mostly absent. */
  readonly countGone?: GoneAsked;
  /** The position need not move: this is the answer already. */
  readonly done: Content<ReadDone> | null;
}

/** What of the Timeline the asker may see, up to the acknowledged head (I1, I7). */
export interface Visible extends Stamped {
  readonly head: TimelineHead;
  readonly intervals: readonly MembershipInterval[];
}

/** As of the entry at `gen`, `seq`. */
export interface WatchState {
  readonly mode: DiffusionMode;
  readonly gen: Generation;
  readonly seq: SequenceId;
  readonly msgNo: number;
  /** Of the users that were asked about, who is a member (I11). */
  readonly members: readonly UserId[];
  /** The latest messages that mention all, rising. A node of a former version does not tell it, nor `late`. */
  readonly mentionsOfAll?: readonly MentionOfAll[];
  /** Of the members, who came in behind the first of those, and where: what was before is not for them. */
  readonly late?: readonly (readonly [user: UserId, joined: SequenceId])[];
  /** Of a lobby: what a node tells of it that holds sockets of its members, should it have to begin anew. */
  readonly lobby?: LobbyTold;
}

export interface LatestReceipts {
  /** The authors that are still members. */
  readonly users: readonly UserId[];
  readonly receipts: Omit<Receipts, 't'>;
}

export interface ErasedHere {
  /** What stood up to there is erased. */
  readonly upTo: SequenceId;
  /** Where that is told. */
  readonly rev: SequenceId;
  /** The membership stays. */
  readonly isMember: boolean;
}

/** Where the entries of a conversation are, and for how many days they are kept by its own setting; 0: it has none. */
export interface KeptTiers extends Tiers {
  readonly retentionDays: number;
  /** For so long by the conversation's own setting, milliseconds; 0: it has none. */
  readonly lifetimeMs: number;
}

export interface Standings {
  readonly head: TimelineHead;
  /** How many messages there were before the first entry that is kept. A node of an earlier version keeps all. */
  readonly retiredMsgNo?: number;
  /** When the last entry was sequenced, where that is known. */
  readonly lastAt?: number;
  /** Null when there is no such conversation. */
  readonly facts: ConversationFacts | null;
  /** Of those that are or were members. `last` is the last entry that their inbox received. */
  readonly members: readonly (readonly [
    UserId,
    Reading & {
      readonly last: SequenceId;
      readonly sent: number;
      readonly member: boolean;
      readonly behind: DiffusionMode;
      readonly stays: number;
      readonly mentions: readonly SequenceId[];
      readonly gone: Gone;
    },
  ])[];
}

export interface Audience {
  readonly facts: ConversationFacts | null;
  readonly head: TimelineHead;
  readonly segments: readonly ReadSegment[];
  readonly members: readonly AudienceMember[];
}

export interface AudienceMember {
  readonly user: UserId;
  readonly intervals: readonly MembershipInterval[];
  /** How many they have sent up to the head, and where the last one stands. */
  readonly sent: number;
  readonly lastSentSeq: SequenceId;
  /** Their unread mentions up to the head. */
  readonly mentions: readonly SequenceId[];
  /** What of what they have not read is gone. */
  readonly gone: Gone;
}

/** All that one user has to know of a conversation that they pull from. */
export interface ConversationHead {
  readonly head: TimelineHead;
  /** As it was set last. A node that runs an earlier version leaves it out. */
  readonly title?: string;
  readonly msgNo: number;
  /** When the last entry was sequenced. */
  readonly lastAt: number;
  readonly segments: readonly ReadSegment[];
  readonly intervals: readonly MembershipInterval[];
  readonly reading: Reading;
  /** The user's own countable messages. */
  readonly sent: number;
  /** The user's unread mentions. A node that runs an earlier version leaves it out. */
  readonly mentions?: readonly SequenceId[];
  /** What of what the user has not read is gone. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
}

/** Recipients are the members as of the entry (I7); the counts are over all of them, but for the author. */
export interface AudienceAt {
  readonly kind: ConversationKind;
  /** How the entry was diffused. */
  readonly mode: DiffusionMode;
  readonly recipients: number;
  /** By whom it was said to be delivered, and read. */
  readonly delivered: number;
  readonly read: number;
  /** Which of the author's devices sent it; null when it is not known (any more). */
  readonly authorDevice: DeviceId | null;
  /** In order of user id. */
  readonly members: readonly RecipientAt[];
}

export interface RecipientAt {
  readonly user: UserId;
  /** Null for one who is no member any more. */
  readonly role: Role | null;
  readonly deliveredSeq: SequenceId;
  readonly readSeq: SequenceId;
  /** The devices that have ever sent something here. */
  readonly devices: readonly DeviceId[];
}

export type ConversationCallName = keyof ConversationCalls;
export type ConversationCommand = {
  [Name in ConversationCallName]: { readonly t: Name } & ConversationCalls[Name]['command'];
}[ConversationCallName];
export type ConversationReply<Name extends ConversationCallName> = Result<ConversationCalls[Name]['reply'], FrameError>;
/** What any command came to. */
export type AnyConversationReply = Result<ConversationCalls[ConversationCallName]['reply'], FrameError>;
