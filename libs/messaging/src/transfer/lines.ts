import type { ReadReason } from '@millrace/diffusion';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { Message, Role } from '@millrace/protocol';
import type { ConversationMeta } from '../conversation/conversation-state.ts';

/*
 * The lines of an export, as docs/import-export.md tells of them. Of one conversation: its own line, then members, bans and
 * keys, then the entries in rising seq, then the end. What follows from the entries (unread counts, mentions, how many a
 * user has sent, the counters of devices) is in none of them: it is counted again when they are imported.
 */

/** What a conversation is, as it was set last. */
export type About = Omit<ConversationMeta, 'lobby'>;

export interface ConversationLine {
  readonly conversation: ConversationId;
  /** Null: there are blocks of the two, and nothing else yet. */
  readonly about: About | null;
  /** The entries are `first..last`; both 0 for none. Where none is kept any more, `first` is one behind `last`. */
  readonly first: SequenceId;
  readonly last: SequenceId;
  /** Where the entries are in no inbox: `to` null for the present one. */
  readonly segments: readonly (readonly [from: SequenceId, to: SequenceId | null])[];
  readonly readReason: ReadReason;
  /** Of client message ids of free form. */
  readonly keyWindow: readonly [window: number, used: number];
  /** Where no entry is kept any more: how many messages there were. */
  readonly retiredMsgNo?: number;
}

/** There were entries, and none of them is kept any more. */
export const isRetired = ({ first, last }: Pick<ConversationLine, 'first' | 'last'>): boolean => first === last + 1;

export interface MemberLine {
  readonly member: UserId;
  readonly role: Role;
  /** Times as a member, by seq: they receive what came from `joined` to `to`, and may see it from `from` on. */
  readonly stays: readonly (readonly [joined: SequenceId, from: SequenceId, to: SequenceId | null])[];
  readonly readSeq: SequenceId;
  readonly deliveredSeq: SequenceId;
  /** Absent for one who is not muted. */
  readonly mutedUntil?: number;
  /** Those that have sent something here: their counters go on behind it. */
  readonly devices: readonly string[];
}

export interface BanLine {
  readonly ban: UserId;
  readonly by: UserId | null;
  readonly at: number;
}

/** A client message id of free form, and what it got. */
export interface KeyLine {
  readonly key: string;
  readonly from: UserId;
  readonly window: number;
  readonly seq: SequenceId;
}

export type StateLine = MemberLine | BanLine | KeyLine;

/** One entry as clients see it, but for its generation, which tells what this deployment once lost. */
export type EntryLine = Omit<Message, 'gen' | 'body' | 'msgNo'> & {
  readonly msgNo?: number;
  readonly body?: string;
  readonly bodyBase64?: string;
  /** The stored bytes, where they hold more than is understood here: then they count, and nothing of the above. */
  readonly storedBase64?: string;
};

export interface EndLine {
  readonly end: ConversationId;
  readonly last: SequenceId;
}
