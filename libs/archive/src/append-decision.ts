import type { GenerationSpan } from '@millrace/timeline';
import { conflict, hole, type ChunkConflict, type ChunkHole } from './archive-errors.ts';
import type { ArchiveChunk } from './archive-store.ts';
import { isSameChunk, lastOf, type ArchivedChunk } from './archived-chunk.ts';

/**
 * What an append does with one chunk. `compare`: seqs of it are archived, so that it is either the chunk that stands
 * there ({@link judgeRepeat}), or a conflict.
 */
export type AppendVerdict =
  | { readonly kind: 'store'; readonly span: GenerationSpan }
  | { readonly kind: 'compare'; readonly archived: GenerationSpan }
  | { readonly kind: 'refuse'; readonly error: ChunkConflict | ChunkHole };

/**
 * @param archived - what is archived of the chunk's generation, or null while it is nothing.
 * @returns with `store`, what is archived once the chunk is.
 */
export function judgeAppend(chunk: ArchiveChunk, archived: GenerationSpan | null): AppendVerdict {
  const { gen, first } = chunk;
  const last = lastOf(chunk);
  if (archived === null) return { kind: 'store', span: { gen, first, last } };
  if (first === archived.last + 1) return { kind: 'store', span: { ...archived, last } };
  if (first > archived.last) return { kind: 'refuse', error: hole(chunk, archived) };
  // Before the first one there is no place either: it would leave a hole, or history would grow at its beginning.
  if (first < archived.first) return { kind: 'refuse', error: conflict(chunk, archived) };
  return { kind: 'compare', archived };
}

/** @param there - the archived chunk with the same key, or null when no chunk begins there. */
export function judgeRepeat(
  chunk: ArchiveChunk,
  archived: GenerationSpan,
  there: ArchivedChunk | null,
): ChunkConflict | 'already' {
  return there !== null && isSameChunk(chunk, there) ? 'already' : conflict(chunk, archived);
}
