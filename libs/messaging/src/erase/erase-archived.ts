import { describeArchiveError, ERASE_ENTRIES_MAX, type ArchiveStore, type Erasure } from '@millrace/archive';
import { sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { tombstoneBytes } from './tombstone.ts';

const PAGE = 1_000;

export interface ErasedArchived {
  /** Entries that are tombstones by now, and were not. */
  readonly entries: number;
  /** What went wrong; null for nothing. */
  readonly problem: string | null;
}

/**
 * Writes over what a user has sent in what is archived of a conversation, page by page. It may be done again: what is a
 * tombstone stays one.
 *
 * @param upTo - what stands behind it stays.
 */
export async function eraseArchived(
  archive: Pick<ArchiveStore, 'extent' | 'read' | 'erase'>,
  conversation: ConversationId,
  user: UserId,
  upTo: SequenceId,
): Promise<ErasedArchived> {
  let entries = 0;
  const extent = await archive.extent(conversation);
  if (!extent.ok) return { entries, problem: describeArchiveError(extent.error) };
  for (const { gen, first, last } of extent.value) {
    const end = Math.min(last, upTo);
    for (let from: number = first; from <= end; from += PAGE) {
      const to = Math.min(end, from + PAGE - 1);
      const query = { from: { gen, seq: sequenceId(from) }, to: { gen, seq: sequenceId(to) }, limit: to - from + 1 };
      const read = await archive.read(conversation, { ...query, direction: 'forward' });
      if (!read.ok) return { entries, problem: describeArchiveError(read.error) };
      const erasures = read.value.flatMap(({ seq, data }): readonly Erasure[] => {
        // Nothing is left of one that is too old to be kept.
        if (data.length === 0) return [];
        const entry = decodeEntry(data);
        const tombstone = entry.from === user ? tombstoneBytes(entry) : null;
        return tombstone === null ? [] : [{ gen, seq, tombstones: [tombstone] }];
      });
      if (erasures.length === 0) continue;
      const erased = await archive.erase(conversation, erasures.slice(0, ERASE_ENTRIES_MAX));
      if (!erased.ok) return { entries, problem: describeArchiveError(erased.error) };
      entries += erased.value.entries;
    }
  }
  return { entries, problem: null };
}
