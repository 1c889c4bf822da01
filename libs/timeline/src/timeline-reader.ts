import type { ConversationId, PartitionId, UserId } from '@millrace/kernel';
import type { Position } from './head.ts';

declare const brand: unique symbol;
/**
 * Names one actor and so its Timeline and record: `c:<ConversationId>` or `u:<UserId>`. It decides the partition.
 */
export type ActorKey = string & { readonly [brand]: 'ActorKey' };

export const conversationKey = (conversation: ConversationId): ActorKey => `c:${conversation}` as ActorKey;
export const userKey = (user: UserId): ActorKey => `u:${user}` as ActorKey;
/**
 * Names no actor: the record beside a conversation's, in the same partition, of what was changed of its messages.
 */
export const revisionsKey = (conversation: ConversationId): ActorKey => `r:${conversation}` as ActorKey;

/** One stored entry; `data` is opaque to the Timeline. */
export interface TimelineEntry extends Position {
  readonly data: Uint8Array;
}

/**
 * What the reads of one answer may bring together, in bytes of data (I9). Whoever reads draws on it as entries come; a
 * read that finds it spent ends early, with the beginning of what was asked for, or with nothing. The entry that spends
 * it is brought whole, so that there is always one.
 */
export class ByteBudget {
  readonly bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get left(): number {
    return Math.max(0, this.bytesMax - this.#used);
  }

  get isSpent(): boolean {
    return this.#used >= this.bytesMax;
  }

  draw(bytes: number): void {
    this.#used += bytes;
  }
}

/**
 * `from` and `to` are inclusive, `from <= to`, whichever the direction. Each needs the generation of its seq,
 * which the Timeline's head tells (`generationOf`).
 */
export interface RangeQuery {
  readonly from: Position;
  readonly to: Position;
  /** At most this many entries, from 1. */
  readonly limit: number;
  /** `forward` answers in rising seq from `from`, `backward` in falling seq from `to`. */
  readonly direction: 'forward' | 'backward';
  /** Shared with the other reads of the same answer; left out: the read is bounded by its limit alone. */
  readonly budget?: ByteBudget;
}

/**
 * Reads stored entries. Knows nothing of who may see what, nor of acknowledged heads: callers clamp the query
 * first (I1, I7). Entries that were trimmed are not there.
 *
 * Rejects with {@link StoreUnavailable} when the store cannot be asked now.
 */
export interface TimelineReader {
  range(partition: PartitionId, actor: ActorKey, query: RangeQuery): Promise<readonly TimelineEntry[]>;
  /** Null when there is no entry at that position. */
  at(partition: PartitionId, actor: ActorKey, position: Position): Promise<TimelineEntry | null>;
  /** What was read of a conversation before, and is kept to be read again, was erased since: it is let go of. */
  forget?(conversation: ConversationId): void;
}

/** Which Timelines have something hot. */
export interface HotTimelines {
  /**
   * The conversations that have, page by page, in no order; one that comes or goes meanwhile may be left out, or come twice.
   * Rejects with {@link StoreUnavailable} when the store cannot be asked now.
   */
  conversations(): AsyncIterable<readonly ActorKey[]>;
}

/** Which conversations there are. */
export interface StoredConversations {
  /** All that are stored, hot or not: otherwise as {@link HotTimelines}. */
  conversations(): AsyncIterable<readonly ActorKey[]>;
}

/** Which users there are. */
export interface StoredUsers {
  /** All that something is stored of: otherwise as {@link HotTimelines}. */
  users(): AsyncIterable<readonly ActorKey[]>;
}

/** The store could not be asked, or refused for a reason that may pass (loading, out of memory, not reachable). */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable';
}
