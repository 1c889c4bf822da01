import { err, ok, type Result } from '@millrace/kernel';
import {
  ArchiveMismatch,
  PairsMismatch,
  PartitionCountMismatch,
  SearchMismatch,
  type ChatNode,
} from '@millrace/messaging';

/** A store that was born otherwise, or other nodes, are a sentence for the operator; anything else is a bug. */
export async function startNode(node: ChatNode): Promise<Result<null, string>> {
  try {
    await node.start();
    return ok(null);
  } catch (error) {
    if (error instanceof PartitionCountMismatch) return err(`MILLRACE_PARTITIONS does not fit: ${error.message}`);
    if (error instanceof PairsMismatch) return err(`MILLRACE_PAIRS_AT_HOME does not fit: ${error.message}`);
    if (error instanceof ArchiveMismatch) return err(`MILLRACE_ARCHIVE does not fit: ${error.message}`);
    if (error instanceof SearchMismatch) return err(`MILLRACE_SEARCH does not fit: ${error.message}`);
    throw error;
  }
}
