import { err, ok, systemTimers, type Result } from '@millrace/kernel';
import type { PartitionStore } from '@millrace/partition';
import {
  ArchiveMismatch,
  PartitionCountMismatch,
  SearchMismatch,
  StoreFormatMismatch,
  storeMisfitOf,
  type ChatNode,
  type Layout,
} from '@millrace/messaging';

/** A store that was born otherwise, or other nodes, are a sentence for the operator; anything else is a bug. */
export async function startNode(
  node: ChatNode,
  store: PartitionStore,
  layout: Layout,
  isOver: () => boolean,
): Promise<Result<null, string>> {
  try {
    const misfit = await storeMisfitOf(store, layout, systemTimers, isOver);
    if (misfit !== null) throw misfit;
    await node.start();
    return ok(null);
  } catch (error) {
    if (error instanceof PartitionCountMismatch) return err(`MILLRACE_PARTITIONS does not fit: ${error.message}`);
    if (error instanceof StoreFormatMismatch) return err(`MILLRACE_STORE_FORMAT does not fit: ${error.message}`);
    if (error instanceof ArchiveMismatch) return err(`MILLRACE_ARCHIVE does not fit: ${error.message}`);
    if (error instanceof SearchMismatch) return err(`MILLRACE_SEARCH does not fit: ${error.message}`);
    throw error;
  }
}
