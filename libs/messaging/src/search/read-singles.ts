import type { PartitionId } from '@millrace/kernel';
import { ByteBudget, type ActorKey, type Position, type TimelineEntry, type TimelineReader } from '@millrace/timeline';

/** Bytes of entries that are read at a time (I9). */
const BYTES_AT_ONCE = 4 * 1_048_576;

/**
 * Reads single entries of a Timeline, in no order. Those that are not there are left out: they may have gone since their
 * positions were told.
 *
 * Rejects with StoreUnavailable.
 */
export async function readSingles(
  timelines: TimelineReader,
  { partition, actor }: { readonly partition: PartitionId; readonly actor: ActorKey },
  positions: readonly Position[],
): Promise<readonly TimelineEntry[]> {
  const found: TimelineEntry[] = [];
  for (let left = positions; left.length > 0;) {
    const budget = new ByteBudget(BYTES_AT_ONCE);
    const pages = await Promise.all(
      left.map((position) =>
        timelines.range(partition, actor, { from: position, to: position, limit: 1, direction: 'forward', budget }),
      ),
    );
    found.push(...pages.flat());
    // A budget that is spent has brought one entry at least.
    left = budget.isSpent ? left.filter((_, index) => pages[index]?.length === 0) : [];
  }
  return found;
}
