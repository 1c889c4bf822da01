import { invariant, sequenceId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import type { Erasure } from './archive-store.ts';
import { lastOf, type ArchivedChunk } from './archived-chunk.ts';

/** Which archived entries an erasure meets, and which of those that it names are not archived. */
export interface ErasePlan {
  readonly archived: readonly GenerationSpan[];
  readonly missing: readonly GenerationSpan[];
}

const spanOf = ({ gen }: Erasure, first: number, last: number): readonly GenerationSpan[] =>
  first > last ? [] : [{ gen, first: sequenceId(first), last: sequenceId(last) }];

/** @param archived - what is archived of the conversation, lowest generation first. */
export function planErase(archived: readonly GenerationSpan[], erasures: readonly Erasure[]): ErasePlan {
  const parts = erasures.map((erasure) => {
    const { gen, seq, tombstones } = erasure;
    const last = seq + tombstones.length - 1;
    const span = archived.find((candidate) => candidate.gen === gen);
    if (span === undefined) return { archived: [], missing: spanOf(erasure, seq, last) };
    return {
      archived: spanOf(erasure, Math.max(seq, span.first), Math.min(last, span.last)),
      missing: [
        ...spanOf(erasure, seq, Math.min(last, span.first - 1)),
        ...spanOf(erasure, Math.max(seq, span.last + 1), last),
      ],
    };
  });
  const inOrder = (one: GenerationSpan, other: GenerationSpan): number =>
    one.gen === other.gen ? one.first - other.first : one.gen - other.gen;
  return {
    archived: parts.flatMap((part) => part.archived),
    missing: parts.flatMap((part) => part.missing).sort(inOrder),
  };
}

/**
 * The chunk with the tombstones of the erasures in place; a later erasure wins over one before it.
 *
 * @returns null when none of them concerns the chunk.
 */
export function erasedIn(chunk: ArchivedChunk, erasures: readonly Erasure[]): ArchivedChunk | null {
  const entries = [...chunk.entries];
  const replaced = new Set<number>();
  for (const { gen, seq, tombstones } of erasures) {
    if (gen !== chunk.gen) continue;
    const from = Math.max(seq, chunk.first);
    const to = Math.min(seq + tombstones.length - 1, lastOf(chunk));
    for (let at = from; at <= to; at += 1) {
      const tombstone = tombstones[at - seq];
      invariant(tombstone !== undefined, 'there is a tombstone for each entry of an erasure');
      entries[at - chunk.first] = tombstone;
      replaced.add(at - chunk.first);
    }
  }
  if (replaced.size === 0) return null;
  const erased = [...new Set([...chunk.erased, ...replaced])].sort((one, other) => one - other);
  return { ...chunk, entries, erased };
}

/** How many different entries a plan meets. */
export function countOf(spans: readonly GenerationSpan[]): number {
  const seen = new Set<string>();
  for (const { gen, first, last } of spans)
    for (let seq: number = first; seq <= last; seq += 1) seen.add(`${String(gen)}-${String(seq)}`);
  return seen.size;
}
