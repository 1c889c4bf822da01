import type { ConversationId, PartitionId, UserId } from '@millrace/kernel';
import type { Position } from './head.ts';

declare const brand: unique symbol;
/**
 * Names one actor and so its Timeline and record: `c:<ConversationId>` or `u:<UserId>`. It decides the partition.
 */
export type ActorKey = string & { readonly [brand]: 'ActorKey' };

export const conversationKey = (conversation: ConversationId): ActorKey => `c:${conversation}` as ActorKey;
export const userKey = (user: UserId): ActorKey => `u:${user}` as ActorKey;

/** One stored entry; `data` is opaque to the Timeline. */
export interface TimelineEntry extends Position {
  readonly data: Uint8Array;
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
}

/** The store could not be asked, or refused for a reason that may pass (loading, out of memory, not reachable). */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
