import type { GenerationSpan } from '@millrace/timeline';
import { conflict, hole, late, type ChunkConflict, type ChunkHole } from './archive-errors.ts';
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
 * The archive of a conversation grows at its end only, generation first: what an owner without a lease sends of an older
 * generation would stand where others went on.
 *
 * @param spans - all that is archived of the chunk's conversation, lowest generation first.
 * @returns with `store`, what is archived once the chunk is.
 */
export function judgeAppend(chunk: ArchiveChunk, spans: readonly GenerationSpan[]): AppendVerdict {
  const { gen, first } = chunk;
  const last = lastOf(chunk);
  const archived = spans.find((span) => span.gen === gen);
  const newest = spans.at(-1);
  if (newest !== undefined && newest.gen > gen && first > (archived?.last ?? 0))
    return { kind: 'refuse', error: late(chunk, newest) };
  if (archived === undefined) return { kind: 'store', span: { gen, first, last } };
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
