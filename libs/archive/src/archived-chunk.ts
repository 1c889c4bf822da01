import { sequenceId, type SequenceId } from '@millrace/kernel';
import type { GenerationSpan, Position } from '@millrace/timeline';
import type { ArchiveChunk, ChunkKey } from './archive-store.ts';
import type { ChunkSeal } from './chain.ts';

/** A chunk as the archive has it: its entries, and which of them are tombstones that took the place of others. */
export interface ArchivedChunk extends ArchiveChunk {
  /** Offsets into `entries`, rising. */
  readonly erased: readonly number[];
  /** What binds it to the chunk before it; null for one that was archived before there were seals. */
  readonly seal: ChunkSeal | null;
}

/** The seq of the last entry. */
export const lastOf = ({ first, entries }: Pick<ArchiveChunk, 'first' | 'entries'>): SequenceId =>
  sequenceId(first + entries.length - 1);

/** Which Timeline a chunk belongs to; no conversation id holds a space. */
export const spanKeyOf = ({ conversation, gen }: Pick<ChunkKey, 'conversation' | 'gen'>): string =>
  `${conversation} ${String(gen)}`;

/** Whether all that is archived of a generation stands before a position. */
export const endsBefore = ({ gen, last }: GenerationSpan, before: Position): boolean =>
  gen < before.gen || (gen === before.gen && last < before.seq);

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index += 1) if (one[index] !== other[index]) return false;
  return true;
}

/** Whether this is the chunk that was appended, but for entries that were erased since. */
export function isSameChunk(chunk: ArchiveChunk, archived: ArchivedChunk): boolean {
  if (chunk.entries.length !== archived.entries.length) return false;
  const erased = new Set(archived.erased);
  return chunk.entries.every(
    (entry, index) => erased.has(index) || sameBytes(entry, archived.entries[index] ?? new Uint8Array()),
  );
}
