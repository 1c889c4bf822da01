import type { DiffusionMode } from '@millrace/diffusion';
import type { ConversationId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { ConversationKind, Gone, Receipt, TypingNotice, WireEntry } from '@millrace/protocol';
import type { GenerationSpan } from '@millrace/timeline';
import type { UserPush } from './chat-service.ts';

/** What a user's conversation list keeps of a conversation. */
export interface ConversationFacts {
  readonly conversation: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string;
}

/** A user's own coming or going, told by the entry that carries it. */
export type MembershipChange = 'joined' | 'left';

/**
 * Entries `from..to` of one generation now stand in the Timeline; `recipients` are those into whose inbox they go: in
 * `write` mode the members as of them (I7), in `read` mode only those whose own coming or going they tell.
 */
export interface Appended {
  readonly e: 'appended';
  readonly facts: ConversationFacts;
  readonly gen: Generation;
  readonly from: SequenceId;
  readonly to: SequenceId;
  readonly entries: readonly WireEntry[];
  /** How all of them are diffused: a switch of the mode begins a new effect. */
  readonly mode: DiffusionMode;
  readonly recipients: readonly UserId[];
  /** Whose membership the entries change, and how. Null for ordinary messages. */
  readonly changes: { readonly change: MembershipChange; readonly users: ReadonlySet<UserId> } | null;
  /** How what comes behind them is diffused, and what before them was not. */
  readonly behind: DiffusionMode;
  readonly undiffused: Undiffused | null;
  /** They disappear so long after they were sequenced, milliseconds; absent: they do not. */
  readonly lifetimeMs?: number;
}

/** Entries right before others that are in nobody's inbox, for those whose inbox goes on with these. */
export interface Undiffused {
  /** From the entry that began the segment up to the last one before: in rising seq, and without a gap. */
  readonly spans: readonly GenerationSpan[];
  readonly of: ReadonlyMap<UserId, Omit<Skipped, 'spans'>>;
}

/** Of one member. */
export interface Skipped {
  readonly spans: Undiffused['spans'];
  /** The last entry before that is in their inbox. */
  readonly after: SequenceId;
  /** Their own countable messages up to here. */
  readonly sent: number;
  /** Their unread mentions up to here. A node that runs an earlier version leaves it out. */
  readonly mentions?: readonly SequenceId[];
  /** What of what they have not read up to here is gone. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
}

/** A member's read position moved; their own devices learn of it through the inbox. */
export interface ReadMoved {
  readonly e: 'read';
  readonly conversation: ConversationId;
  readonly user: UserId;
  /** The conversation's, when it moved: what comes late may have been lost with the end of that one. */
  readonly gen: Generation;
  readonly readSeq: SequenceId;
  readonly readMsgNo: number;
  readonly sentAtRead: number;
  /** Their own countable messages when it moved; null where the inbox counts them itself. */
  readonly sent: number | null;
  /** What behind it is gone. A node that runs an earlier version leaves it out. */
  readonly gone?: Gone;
}

/** A member has deleted a message for themselves; their own devices learn of it through the inbox. */
export interface DeletedFor {
  readonly e: 'deleted';
  readonly conversation: ConversationId;
  readonly user: UserId;
  /** The conversation's, when it happened. */
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** Whether it would count as unread, but for this or its recall. */
  readonly counted: boolean;
}

/**
 * A conversation with all of its entries `from..to` is there at once, out of an export. They go into nobody's inbox: who
 * imported it tells its members where they stand.
 */
export interface Imported {
  readonly e: 'imported';
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/** Entries `from..to` of a conversation that is still being imported, and is nothing to anybody yet. */
export interface StagedMore {
  readonly e: 'staged';
  readonly conversation: ConversationId;
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/** What the actors ask to happen after the commit, and not before (I1). */
export type Effect =
  | Appended
  | ReadMoved
  | DeletedFor
  | Imported
  | StagedMore
  | { readonly e: 'inbox'; readonly user: UserId; readonly push: UserPush }
  /** The user's inbox lacks something: their devices must sync. */
  | { readonly e: 'broken'; readonly user: UserId }
  /** What the user was just told may have been lost since: the conversation has to be asked. */
  | { readonly e: 'doubtful'; readonly user: UserId }
  | { readonly e: 'receipt'; readonly users: readonly UserId[]; readonly receipt: Omit<Receipt, 't'> }
  /** Positions of members moved in a conversation that is too large to tell everyone each time. */
  | { readonly e: 'positions'; readonly conversation: ConversationId }
  | { readonly e: 'typing'; readonly users: readonly UserId[]; readonly notice: Omit<TypingNotice, 't'> };
