import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { Message } from './messages.ts';
import type { SendableType } from './names.ts';

// Messages by their words: the question, and its answer.

/** Of an application's own field: that it has this value, or that its number is within these bounds, both included. */
export type SearchField =
  | { readonly name: string; readonly is: string | number | boolean }
  | { readonly name: string; readonly min?: number; readonly max?: number };

/** Messages by their words and fields, of what this user may read. All that is given must be so. Answered by {@link Found}. */
export interface Search {
  readonly t: 'search';
  readonly id: number;
  /** All these words, in any order; what stands between `"` as it is written. 1..1000 characters. */
  readonly text?: string;
  /** Whether the last word may be the beginning of one. Default true. */
  readonly prefix?: boolean;
  /** 1..100. Absent: all of the user's. */
  readonly conversations?: readonly ConversationId[];
  /** Sent by one of these, 1..50. */
  readonly senders?: readonly UserId[];
  readonly types?: readonly SendableType[];
  /** Sequenced not before, and not after, this time. */
  readonly since?: number;
  readonly until?: number;
  /** Mentions this user, or all. */
  readonly mentioning?: UserId;
  /** 1..8. */
  readonly fields?: readonly SearchField[];
  /** Default `time`: the newest first. */
  readonly sort?: 'time' | 'relevance';
  /** 1..100, default 20. */
  readonly limit?: number;
  /** Whether to count the hits, of each conversation, too. Default false. */
  readonly count?: boolean;
  /** `next` of the page before, for the same question. */
  readonly cursor?: string;
}

/** A part of a message's body, in UTF-16 code units; `end` is not in it. */
export interface FoundPlace {
  readonly start: number;
  readonly end: number;
}

export interface FoundHit<M = Message> {
  readonly conversation: ConversationId;
  readonly message: M;
  /** Where the words stand in its body, rising; empty where nothing is to be marked. */
  readonly places: readonly FoundPlace[];
}

export interface Found<M = Message> {
  readonly t: 'found';
  readonly id: number;
  readonly hits: readonly FoundHit<M>[];
  /** Opaque; null on the last page. */
  readonly next: string | null;
  /** Whether everything was looked at that this user may read, or that was named. */
  readonly complete: boolean;
  /** Where not: what lies between what is indexed and where the search of the newest entries began. At most 100. */
  readonly unsearched: readonly {
    readonly conversation: ConversationId;
    readonly indexedThrough: SequenceId;
    readonly searchedFrom: SequenceId;
  }[];
  /** When asked for. `exact` false: there are more. */
  readonly counts?: {
    readonly total: number;
    readonly exact: boolean;
    /** Most first. */
    readonly conversations: readonly { readonly conversation: ConversationId; readonly count: number }[];
  };
}
