import type { ConversationId, Generation, PartitionId, Result, SequenceId, UserId } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import type { BadCursor, BadQuery, CursorMoved, NoRebuild, SearchUnavailable } from './search-errors.ts';

/** The value of an application's own field. Numbers are whole, within 2^53. */
export type FieldValue = string | number | boolean;

/** One message as it stands now, to be found by its words and fields. The index gives back what it is, never its text. */
export interface SearchDocument extends Position {
  readonly conversation: ConversationId;
  /** Rises with every change of this message, from 0 as it was sent. */
  readonly rev: number;
  readonly sender: UserId;
  /** `text`, `image` or what else the application sends: 1 to 32 of `A-Z a-z 0-9 _`. */
  readonly type: string;
  /** Milliseconds since 1970 UTC. For display and for sorting, never for order. */
  readonly at: number;
  /** What a person reads of it; '' for none. At most {@link TEXT_UNITS_MAX} UTF-16 units. */
  readonly text: string;
  readonly mentions: readonly UserId[];
  readonly mentionAll: boolean;
  /** The application's own, by name: 1 to 32 of `A-Z a-z 0-9 _`, at most {@link FIELDS_MAX}. */
  readonly fields: Readonly<Record<string, FieldValue>>;
}

/**
 * One thing that became of a message or a conversation.
 *
 * - `put`: it is there, or was edited.
 * - `remove`: it was recalled; no answer has it from now on, and no older `put` brings it back.
 * - `cut`: a generation began behind lost history: what lower generations had at `from` or above is gone.
 * - `erase`: what this user sent there, up to and with `upTo`, is forgotten. Nothing of it is in a Timeline any more, so that
 *   no later batch brings it.
 * - `forget`: all of this conversation is, with its cuts and how far it is indexed. Where such a batch comes again, so does all
 *   that came behind it.
 */
export type Change =
  | { readonly kind: 'put'; readonly document: SearchDocument }
  | {
      readonly kind: 'remove';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly seq: SequenceId;
      readonly rev: number;
    }
  | {
      readonly kind: 'cut';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly from: SequenceId;
    }
  | {
      readonly kind: 'erase';
      readonly conversation: ConversationId;
      readonly sender: UserId;
      readonly upTo: SequenceId;
    }
  | { readonly kind: 'forget'; readonly conversation: ConversationId };

/** Up to where a conversation is indexed: everything at this position or before it is in. */
export interface IndexedThrough extends Position {
  readonly conversation: ConversationId;
}

/** A part of one partition's changefeed, in its order. */
export interface IndexBatch {
  readonly partition: PartitionId;
  /** The cursor that this batch goes on from: what {@link SearchIndex.cursor} said. Null for the first one. */
  readonly after: string | null;
  /** The partition's cursor once this batch is in. Opaque; at most 256 characters. */
  readonly cursor: string;
  readonly changes: readonly Change[];
  readonly through: readonly IndexedThrough[];
}

/** `live` is what searches read; `next` is what a rebuild fills. */
export type IndexVersion = 'live' | 'next';

/** Seqs `from..to`, both included. */
export interface SeqInterval {
  readonly from: SequenceId;
  readonly to: SequenceId;
}

/** What the asker may see of one conversation: their membership intervals (I7), less what they deleted for themselves. */
export interface ScopedConversation {
  readonly conversation: ConversationId;
  readonly visible: readonly SeqInterval[];
  readonly hidden?: readonly SequenceId[];
}

/** Of an application's field: that it has this value, or that its number is within these bounds, both included. */
export type FieldFilter =
  | { readonly name: string; readonly is: FieldValue }
  | { readonly name: string; readonly min?: number; readonly max?: number };

/** What a message must be beside its words. */
export interface SearchFilters {
  readonly senders?: readonly UserId[];
  readonly types?: readonly string[];
  /** Not before this, in milliseconds since 1970. */
  readonly since?: number;
  /** Not after this, in milliseconds since 1970. */
  readonly until?: number;
  /** Mentions this user, or all. */
  readonly mentioning?: UserId;
  readonly fields?: readonly FieldFilter[];
}

/** Where a message stands among others by time. */
export interface TimePlace {
  readonly at: number;
  readonly conversation: ConversationId;
  readonly seq: SequenceId;
}

export interface SearchQuery extends SearchFilters {
  /**
   * Nothing outside of it is in any part of the answer. Each conversation once, at most {@link SCOPE_MAX}. Or
   * `everything`, for the deployment itself, and without `facets`.
   */
  readonly scope: readonly ScopedConversation[] | 'everything';
  /**
   * All its words must be there, in any order; what stands between `"` must be there as it is written. A run of Chinese,
   * Japanese, Korean or Thai characters is found anywhere within a longer one. Case and accents do not count. Left out
   * for all messages.
   */
  readonly text?: string;
  /** Whether the last word may be the beginning of one, as while it is typed. Default: true. */
  readonly prefix?: boolean;
  /**
   * `time`: newest first; pages go on behind the last hit, whatever came meanwhile. `relevance`: what fits best first,
   * and of equals the newest; pages go on by count, and end after {@link RELEVANCE_HITS_MAX}.
   */
  readonly sort: 'relevance' | 'time';
  /** 1 to {@link PAGE_HITS_MAX}. */
  readonly limit: number;
  /** Whether to count the hits of each conversation. Default: false. */
  readonly facets?: boolean;
  /** `next` of the page before, for the same query; the scope and the limit may differ. */
  readonly cursor?: string;
  /** By time and instead of a cursor: only what comes behind this hit of an earlier page. */
  readonly behind?: TimePlace;
}

export interface SearchHit extends Position {
  readonly conversation: ConversationId;
  /** The version that matched. A message that has a higher one meanwhile may not match any more. */
  readonly rev: number;
  readonly sender: UserId;
  readonly type: string;
  readonly at: number;
}

export interface SearchPage {
  readonly hits: readonly SearchHit[];
  /** All hits within the scope, on this page and others. */
  readonly total: number;
  /** Hits of each conversation that has any, most first; only when asked for. */
  readonly facets?: readonly { readonly conversation: ConversationId; readonly count: number }[];
  /** Null on the last page. */
  readonly next: string | null;
}

export interface SearchStats {
  /** Messages that can be found. */
  readonly messages: number;
  readonly conversations: number;
  /** What the index takes on disk, or null where that cannot be told. */
  readonly diskBytes: number | null;
}

export interface SearchHealth {
  readonly writable: boolean;
  /** Which index this is, for a person: never with a key. */
  readonly index: string;
  readonly isRebuilding: boolean;
}

export const BATCH_CHANGES_MAX = 1_000;
export const TEXT_UNITS_MAX = 262_144;
export const FIELDS_MAX = 32;
export const FIELD_TEXT_MAX = 256;
export const MENTIONS_MAX = 1_000;
export const SCOPE_MAX = 10_000;
export const PAGE_HITS_MAX = 100;
export const RELEVANCE_HITS_MAX = 250;
export const QUERY_UNITS_MAX = 1_000;
export const QUERY_WORDS_MAX = 32;
/** Conversations in one question for how far the index has come. */
export const THROUGH_MAX = 1_000;

/**
 * Where messages are found by their words and fields. It is derived from the Timelines and can be made anew from them at
 * any time. One suite (`@millrace/search/conformance`) holds every implementation to this:
 *
 * - A batch is in whole when it is confirmed, its cursor with it. It may come again, and so may all that came before it:
 *   of one message (conversation and seq) the highest generation and `rev` stand, a removed one stays removed, and what
 *   was cut stays cut.
 * - An answer has messages within the scope and nothing else: not as hits, nor in totals, counts or cursors.
 * - What was removed, cut or erased is in no answer once that is confirmed.
 * - Nothing of what the world does rejects or throws; an argument over the bounds above is an `InvariantViolation`.
 * - An `unavailable` call may be made again with the same arguments.
 */
export interface SearchIndex {
  /**
   * Takes a batch, all of it or nothing; where the engine knows no transactions, documents first and the cursor last.
   *
   * @returns `cursor_moved` when the partition's cursor is not `after`: somebody else follows it, or a confirmation was lost.
   */
  apply(batch: IndexBatch, into?: IndexVersion): Promise<Result<void, CursorMoved | NoRebuild | SearchUnavailable>>;

  /** Where the follower of a partition goes on; null at the beginning. */
  cursor(partition: PartitionId, of?: IndexVersion): Promise<Result<string | null, NoRebuild | SearchUnavailable>>;

  /** How far the live index has come, for each of them in the same order; null where nothing is known yet. */
  indexedThrough(
    conversations: readonly ConversationId[],
  ): Promise<Result<readonly (Position | null)[], SearchUnavailable>>;

  search(query: SearchQuery): Promise<Result<SearchPage, BadQuery | BadCursor | SearchUnavailable>>;

  /** Forgets a conversation, in every version. */
  eraseConversation(conversation: ConversationId): Promise<Result<void, SearchUnavailable>>;

  /** Forgets what a user has sent, in every version. @returns how many messages of the live one that were. */
  eraseSender(sender: UserId): Promise<Result<number, SearchUnavailable>>;

  /** Writes over what removed and erased messages have left on the disk. Takes long for a large index. */
  purge(): Promise<Result<void, SearchUnavailable>>;

  /** Begins an empty version beside the live one; one that is under way is begun anew. */
  beginRebuild(): Promise<Result<void, SearchUnavailable>>;

  /** Searches read the new version from now on, and the former one is removed. */
  finishRebuild(): Promise<Result<void, NoRebuild | SearchUnavailable>>;

  /** Gives up the version that was begun, if there is one. */
  abandonRebuild(): Promise<Result<void, SearchUnavailable>>;

  health(): Promise<Result<SearchHealth, SearchUnavailable>>;

  /** Counts: for a scrape each minute, not for each request. */
  stats(): Promise<Result<SearchStats, SearchUnavailable>>;

  /** Ends what is under way and lets go of everything. Calls after it are `unavailable`. Twice does nothing. */
  close(): Promise<void>;
}
