import type { ConversationId, Generation, Result, SequenceId } from '@millrace/kernel';
import type { GenerationSpan, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { ArchiveUnavailable, ChunkConflict, ChunkDamaged, ChunkHole } from './archive-errors.ts';
import type { ChainPage } from './chain.ts';

/** Where a chunk stands. It never changes, whatever becomes of the entries in it. */
export interface ChunkKey {
  readonly conversation: ConversationId;
  readonly gen: Generation;
  /** The seq of its first entry, from 1. */
  readonly first: SequenceId;
}

/**
 * Consecutive entries of one conversation in one generation: `first`, `first + 1` and so on, each exactly as the hot
 * Timeline has it, and each acknowledged (I1). About 50 of them; 1 to {@link CHUNK_ENTRIES_MAX}.
 */
export interface ArchiveChunk extends ChunkKey {
  readonly entries: readonly Uint8Array[];
}

/** What became of one chunk of an append: `already` when the same chunk was there before, which is a success. */
export type AppendOutcome = Result<'stored' | 'already', ChunkConflict | ChunkHole | ChunkDamaged>;

/** Replaces the entries at `first`, `first + 1` and so on of generation `gen` by these tombstones, one for each. */
export interface Erasure extends Position {
  readonly tombstones: readonly Uint8Array[];
}

/** What an erasure came to. */
export interface Erased {
  /** How many archived entries are tombstones of this call now. */
  readonly entries: number;
  /** What was named and is not archived, in order; it may still be hot. */
  readonly missing: readonly GenerationSpan[];
}

export interface ArchiveStats {
  readonly chunks: number;
  readonly entries: number;
  /** What the chunks take as they are stored, without what the store needs around them. */
  readonly chunkBytes: number;
  /** What the store takes on disk with all of its tables, indexes and room to reuse. */
  readonly diskBytes: number;
}

export interface ArchiveHealth {
  /** It answered just now, and may be written. */
  readonly writable: boolean;
  /** Which store this is, for a person: never with a password. */
  readonly store: string;
  /** Calls that wait or are under way. */
  readonly pending: number;
}

/** A chunk holds at most this many entries. */
export const CHUNK_ENTRIES_MAX = 1_000;
/** The entries of a chunk hold at most this many bytes together. */
export const CHUNK_BYTES_MAX = 64 * 1024 * 1024;
/** An append takes at most this many chunks. */
export const APPEND_CHUNKS_MAX = 1_000;
/** A page holds at most this many entries. */
export const PAGE_ENTRIES_MAX = 10_000;
/** An erasure replaces at most this many entries in one call. */
export const ERASE_ENTRIES_MAX = 10_000;

/**
 * Where the entries of conversations are kept for good, when Redis holds only what is hot (I8). One suite
 * (`@millrace/archive/conformance`) holds every implementation to this:
 *
 * - What was confirmed is durable: it survives the crash of this program, of the store and of the machine, so that the
 *   hot entries may be trimmed. What was not confirmed is there whole or not at all, chunk by chunk.
 * - Within a generation of a conversation the archived seqs have no gap, and chunks never overlap. Generations
 *   stand side by side: that numbering goes on from one to the next is the Timeline's concern.
 * - Every read is dense within a generation and checked: a chunk whose bytes are not those that were written, and one
 *   that is not where it should be, is `damaged`, never other data.
 * - Nothing of what the world does rejects or throws; an argument over the bounds above is an `InvariantViolation`.
 * - An `unavailable` call may be made again, with the same arguments. All but `drop` are idempotent; a `drop` that is
 *   repeated also takes what was appended in between.
 */
export interface ArchiveStore {
  /**
   * Adds chunks, of one conversation or of many. They are judged in order, each by itself: one that is refused keeps no
   * other one out, but for those behind it in its own generation, which then leave a hole. The answer has an outcome for
   * each, in the same order, and comes when everything that was accepted is durable.
   *
   * A chunk goes behind the last archived one of its generation, or is the first one, anywhere; in either case of the newest
   * generation that is archived of its conversation, or of one after it. The same chunk again is
   * `already`, also when entries of it were erased meanwhile: it does not bring them back. Anything else at archived
   * seqs is a `conflict`. When the answer is `unavailable`, some of the chunks may have been stored.
   */
  append(chunks: readonly ArchiveChunk[]): Promise<Result<readonly AppendOutcome[], ArchiveUnavailable>>;

  /**
   * The archived entries of a range, as the hot Timeline answers it: generation first, from one end, at most `limit`.
   * Empty when nothing of the range is archived. Crosses generations; each one's part has no hole.
   */
  read(
    conversation: ConversationId,
    query: RangeQuery,
  ): Promise<Result<readonly TimelineEntry[], ChunkDamaged | ArchiveUnavailable>>;

  /** One entry; null when it is not archived. */
  at(
    conversation: ConversationId,
    position: Position,
  ): Promise<Result<TimelineEntry | null, ChunkDamaged | ArchiveUnavailable>>;

  /** What is archived of a conversation, lowest generation first; empty for one that the archive does not know. */
  extent(conversation: ConversationId): Promise<Result<readonly GenerationSpan[], ArchiveUnavailable>>;

  /**
   * Replaces entries by tombstones, all of the call or none. Seqs, chunk keys and links of the chain stay. The former bytes are in no
   * answer any more; the implementation says when they are gone from the disk.
   */
  erase(
    conversation: ConversationId,
    erasures: readonly Erasure[],
  ): Promise<Result<Erased, ChunkDamaged | ArchiveUnavailable>>;

  /**
   * Forgets the chunks whose entries all stand before a position, generation first. Of a generation of which nothing is
   * left the archive knows nothing any more: it may begin anywhere. Entries of a chunk that goes on behind the position
   * stay.
   */
  trim(conversation: ConversationId, before: Position): Promise<Result<void, ArchiveUnavailable>>;

  /** Forgets a conversation. It may be appended to again, beginning anywhere. */
  drop(conversation: ConversationId): Promise<Result<void, ArchiveUnavailable>>;

  /**
   * Goes through the chain of a conversation, chunk by chunk, and says of each whether it is what was archived and follows on
   * what stands before it. Where nothing is archived before it, the chain begins: what was before is not judged.
   *
   * A chunk that is damaged, or is gone, is one that is told of, not a refusal.
   *
   * @param after - `next` of the page before; null to begin.
   * @param limit - chunks of the page, 1 to CHAIN_CHUNKS_MAX.
   */
  chain(
    conversation: ConversationId,
    after: Position | null,
    limit: number,
  ): Promise<Result<ChainPage, ArchiveUnavailable>>;

  /**
   * Which archive this is: 32 hexadecimal digits, drawn when it was created. Nodes that name different ones do not see
   * the same entries.
   */
  identity(): Promise<Result<string, ArchiveUnavailable>>;

  /** Asks the store; `writable` is false when it answers, but takes nothing. */
  health(): Promise<Result<ArchiveHealth, ArchiveUnavailable>>;

  /** Looks at one record for each archived generation: for a scrape each minute, not for each request. */
  stats(): Promise<Result<ArchiveStats, ArchiveUnavailable>>;

  /** Ends what is under way and lets go of everything. Calls after it are `unavailable`. Twice does nothing. */
  close(): Promise<void>;
}
