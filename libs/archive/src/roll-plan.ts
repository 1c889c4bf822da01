import { invariant, sequenceId, type SequenceId } from '@millrace/kernel';
import { spansOf, type GenerationSpan, type TimelineHead } from '@millrace/timeline';

/** Where the entries of a conversation are: up to `archivedTo` in the archive, behind it in the hot Timeline (I8). */
export interface Tiers {
  readonly head: TimelineHead;
  /** 0 while nothing is archived. */
  readonly archivedTo: SequenceId;
}

export interface RollAsked {
  /** The entries up to this one are to be archived; what fills no chunk waits. */
  readonly upTo: number;
  /** Entries of one chunk. A generation that has ended may end with a shorter one. */
  readonly chunkEntries: number;
  /** Chunks of one roll. */
  readonly chunksMax: number;
  /** Whether the last entries that are asked for are archived though they fill no chunk: nothing follows on them soon. */
  readonly isCold?: boolean;
}

/**
 * The chunks that are to be archived next, in order: they follow on what is archived and on each other, and end at
 * `upTo` or before. All are of one generation: an archive takes nothing of an older one than it has, and so the next one
 * waits until all of this one is known to be there.
 */
export function planRoll({ head, archivedTo }: Tiers, asked: RollAsked): readonly GenerationSpan[] {
  const { upTo, chunkEntries, chunksMax, isCold = false } = asked;
  invariant(chunkEntries >= 1, 'a chunk holds entries');
  const end = Math.min(upTo, head.seq);
  const chunks: GenerationSpan[] = [];
  for (const span of spansOf(head)) {
    // The generation goes on, so that a chunk which is not full yet will be.
    const isOpen = span.gen === head.gen && !(isCold && end === head.seq);
    for (let first = Math.max(span.first, archivedTo + 1); first <= span.last; first += chunkEntries) {
      const last = isOpen ? first + chunkEntries - 1 : Math.min(first + chunkEntries - 1, span.last);
      if (last > end || chunks.length === chunksMax) return chunks;
      chunks.push({ gen: span.gen, first: sequenceId(first), last: sequenceId(last) });
    }
    if (chunks.length > 0) return chunks;
  }
  return chunks;
}
