import { sequenceId, type SequenceId } from '@millrace/kernel';
import { readExtent, readRevisions, type RevisionReads } from '../revise/read-revisions.ts';
import { isPartial, isSeen, type SeenConversation } from './seen-conversation.ts';

export interface EditedBehindStay {
  readonly edited: ReadonlyMap<SeenConversation, readonly SequenceId[]>;
  /** More messages were changed than are looked at. */
  readonly isCut: boolean;
}

/** Changed messages that are looked at for one answer (I9). */
const LOOKED_MAX = 4_000;
/** Conversations that are asked at a time. */
const AT_ONCE = 64;

/**
 * Messages that were edited when the asker was not there: the index has them as those who were see them now. Only of
 * conversations that the asker does not see to their end, or not without a gap.
 *
 * Rejects with StoreUnavailable.
 */
export async function editedBehindStay(
  reads: RevisionReads,
  conversations: readonly SeenConversation[],
): Promise<EditedBehindStay> {
  const edited = new Map<SeenConversation, readonly SequenceId[]>();
  const partial = conversations.filter(isPartial);
  let left = LOOKED_MAX;
  let isCut = false;
  for (let from = 0; from < partial.length; from += AT_ONCE) {
    const some = partial.slice(from, from + AT_ONCE);
    const extents = await Promise.all(some.map(({ conversation }) => readExtent(reads, conversation)));
    const looking = some.map(async (seen, at) => {
      const extent = extents[at] ?? null;
      if (extent === null) return;
      const changed = seen.visible.flatMap((stay) => seqsOf(stay, extent));
      // The newest, where they are too many.
      const looked = changed.slice(Math.max(0, changed.length - left));
      left -= looked.length;
      isCut ||= looked.length < changed.length;
      const found = await readRevisions(reads, seen.conversation, null, looked, extent);
      const seqs = [...(found?.revisions ?? [])].flatMap(([seq, { edited: last }]) =>
        last !== null && !isSeen(seen, last.seq) ? [seq] : [],
      );
      if (seqs.length > 0) edited.set(seen, seqs);
    });
    await Promise.all(looking);
  }
  return { edited, isCut };
}

interface Span {
  readonly from: SequenceId;
  readonly to: SequenceId;
}

function seqsOf(
  { from, to }: Span,
  { first, last }: { readonly first: SequenceId; readonly last: SequenceId },
): readonly SequenceId[] {
  const [begin, end] = [Math.max(from, first, to - LOOKED_MAX), Math.min(to, last)];
  return Array.from({ length: Math.max(0, end - begin + 1) }, (_, index) => sequenceId(begin + index));
}
