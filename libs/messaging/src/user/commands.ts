import type { DiffusionMode } from '@millrace/diffusion';
import type { ConversationId, Generation, Result, SequenceId } from '@millrace/kernel';
import type { ConversationSummary, FrameError, Gone, Hint, ScheduledMessage, WireEntry } from '@millrace/protocol';
import type { Position, TimelineHead } from '@millrace/timeline';
import type { ConversationFacts, MembershipChange, Skipped } from '../effects.ts';
import type { ScheduledContent } from './scheduled.ts';
import type { Standing } from './standing.ts';

/** What diffusion brings to a user. Entries are consecutive, of one generation, in rising seq. */
export type Delivery =
  | {
      readonly d: 'messages';
      readonly facts: ConversationFacts;
      readonly gen: Generation;
      readonly entries: readonly WireEntry[];
      /** This user's own coming or going, which the last of the entries tells. */
      readonly change: MembershipChange | null;
      /** How what comes behind them is diffused. */
      readonly behind: DiffusionMode;
      /** What lies before the first of them and is in no inbox. */
      readonly skipped: Skipped | null;
    }
  | {
      readonly d: 'read';
      readonly conversation: ConversationId;
      /** Of the conversation, when the position moved. */
      readonly gen: Generation;
      readonly readSeq: SequenceId;
      readonly readMsgNo: number;
      readonly sentAtRead: number;
      /** See `ReadMoved`. */
      readonly sent: number | null;
      readonly gone?: Gone;
    }
  /** See `DeletedFor`. */
  | {
      readonly d: 'deleted';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly seq: SequenceId;
      readonly counted: boolean;
    }
  /** Of an entry that is in no inbox: see `diffuse/hints.ts`. */
  | ({ readonly d: 'hint'; readonly conversation: ConversationId } & Hint);

/** The answer of a conversation to what the list says is `uncounted`. */
export interface Recount {
  readonly d: 'recount';
  readonly conversation: ConversationId;
  readonly from: SequenceId;
  /** The user's own countable messages up to `from`. */
  readonly sent: number;
  readonly reading: Reading;
  /** The user's unread mentions. A node that runs an earlier version leaves it out. */
  readonly mentions?: readonly SequenceId[];
  /** What of what they have not read is gone. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
}

/** How far a member has read, as the conversation remembers it. */
export interface Reading {
  readonly readSeq: SequenceId;
  readonly readMsgNo: number;
  readonly sentAtRead: number;
}

/** The user's own messages in a conversation are counted only behind `from`: the conversation has to be asked. */
export interface Uncounted {
  readonly conversation: ConversationId;
  readonly from: SequenceId;
}

/**
 * What is in the list of this conversation is not known to be right, since it or the user's own inbox may have lost
 * something: the conversation has to be asked.
 */
export interface Unconfirmed {
  readonly conversation: ConversationId;
  readonly readSeq: SequenceId;
  /** What of what is not read is known to be gone. A node that runs an earlier version leaves it out. */
  readonly gone?: readonly SequenceId[];
}

/** What a user's actor is told. */
export type UserItem = Delivery | Recount | Standing;

export interface UserCalls {
  deliver: { command: { readonly items: readonly UserItem[] }; reply: null };
  /** A delivery was set aside, so that the inbox lacks something from here on. */
  break: { command: Record<never, never>; reply: null };
  /** Where the inbox stands. `oldest` is the first entry that was not trimmed. */
  inbox: {
    command: { readonly slotsOf?: readonly ConversationId[] };
    reply: {
      readonly head: TimelineHead;
      readonly oldest: SequenceId;
      /** The last entry that tells how a conversation is diffused from then on; 0 for none. */
      readonly switched: SequenceId;
      /** Of `slotsOf`; null for one that is not listed. */
      readonly slots: readonly (number | null)[];
    } & Doubtful;
  };
  /** For a node that holds sockets of the user: where the inbox stands, and what does not come through it. */
  attach: {
    command: Record<never, never>;
    reply: { readonly head: TimelineHead; readonly readMode: readonly ConversationId[] };
  };
  /** Which conversations the slots of inbox records stand for, as the list has them now. */
  summaries: {
    command: { readonly slots: readonly number[] };
    reply: { readonly summaries: ReadonlyMap<number, ConversationSummary> } & Doubtful;
  };
  /**
   * What is known of an erasure of all that is the user's, as a text that only who erases reads. Null sets nothing, and
   * answers with what was set last, null for none.
   */
  erasure: { command: { readonly set: string | null }; reply: { readonly report: string | null } };
  /** Everything is forgotten but that. */
  forget: { command: Record<never, never>; reply: null };
  /**
   * Keeps a message that is to be sent later, in the place of one of the same key that waits. `replaced`: the job that this
   * one waited for. Not `isTaken`: the time of one of that key has come before, and `message` tells what became of it.
   */
  schedule: {
    command: { readonly message: ScheduledContent; readonly job: string };
    reply: { readonly message: ScheduledMessage; readonly replaced: string | null; readonly isTaken: boolean };
  };
  /** Null when none waits under that key. */
  unschedule: { command: { readonly key: string }; reply: { readonly job: string | null } };
  /** All of them; the jobs that they waited for. */
  unscheduleAll: { command: Record<never, never>; reply: { readonly jobs: readonly string[] } };
  scheduled: {
    command: { readonly after: string | null; readonly limit: number };
    reply: { readonly messages: readonly ScheduledMessage[]; readonly next: string | null };
  };
  /** What is to be sent by a job whose time has come; null when it is not meant any more. */
  due: {
    command: { readonly key: string; readonly job: string };
    reply: { readonly due: { readonly message: ScheduledMessage; readonly window: number | null } | null };
  };
  /** Before the first attempt: from then on it is not changed any more. */
  sending: {
    command: { readonly key: string; readonly job: string; readonly window: number };
    reply: { readonly isDue: boolean };
  };
  settleScheduled: {
    command: {
      readonly key: string;
      readonly job: string;
      readonly outcome: Position | { readonly error: NonNullable<ScheduledMessage['error']> };
    };
    reply: null;
  };
  /** How far the inbox is in one conversation. */
  place: { command: { readonly conversation: ConversationId }; reply: Place };
  /** Of those that the inbox brings a page, and all of those that are pulled: see `orderedPage`. */
  list: {
    command: { readonly after: ListCursor | null; readonly limit: number };
    reply: {
      readonly conversations: readonly ConversationSummary[];
      /** Of these, in their order. */
      readonly slots: readonly number[];
      readonly next: ListCursor | null;
      readonly pulled: readonly Listed[];
      readonly head: TimelineHead;
    } & Doubtful;
  };
}

/** A conversation as the user's list has it. */
export interface Listed {
  readonly slot: number;
  readonly summary: ConversationSummary;
}

/** What an answer shows is not right before `unconfirmed` was confirmed and `uncounted` recounted. */
export interface Doubtful {
  readonly unconfirmed: readonly Unconfirmed[];
  readonly uncounted: readonly Uncounted[];
}

export interface Place {
  readonly head: TimelineHead;
  readonly oldest: SequenceId;
  /** The first inbox seq of each day that had any, oldest first. */
  readonly days: readonly (readonly [atMs: number, seq: number])[];
  /** Null when the conversation is not in the user's list. `applied`: the inbox has, or had, everything up to there. */
  readonly listed: { readonly slot: number; readonly applied: Position } | null;
}

/** The last conversation of a page: the list is in falling order of last activity, then of slot. */
export interface ListCursor {
  readonly lastAt: number;
  readonly slot: number;
}

export type UserCallName = keyof UserCalls;
export type UserCommand = { [Name in UserCallName]: { readonly t: Name } & UserCalls[Name]['command'] }[UserCallName];
export type UserReply<Name extends UserCallName> = Result<UserCalls[Name]['reply'], FrameError>;
export type AnyUserReply = Result<UserCalls[UserCallName]['reply'], FrameError>;
