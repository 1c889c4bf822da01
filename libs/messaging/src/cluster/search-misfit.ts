import type { ClusterView } from '@millrace/partition';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import { EMBEDDED_INDEX } from '../indexing/indexer.ts';
import { until } from './until.ts';

/** A search index of one node has the messages of that node alone. */
export class SearchMismatch extends Error {
  override readonly name = 'SearchMismatch';

  /** @param others - the names of nodes. */
  constructor(others: readonly string[], isMine: boolean) {
    super(
      `the search index ${isMine ? 'of this node' : `of ${others.join(', ')}`} is a directory of one process, and there ` +
        `${isMine ? `are other nodes (${others.join(', ')})` : 'would be two nodes'}: each would find what it owns itself ` +
        'and nothing else; configure a Typesense for all of them, or none',
    );
  }
}

function misfitIn(view: ClusterView | null, self: string, mine: string | undefined): SearchMismatch | null {
  const others = view?.members.filter(({ node }) => node !== self) ?? [];
  const isMine = mine === EMBEDDED_INDEX;
  const apart = isMine ? others : others.filter(({ search }) => search === EMBEDDED_INDEX);
  return apart.length === 0
    ? null
    : new SearchMismatch(
        apart.map(({ name }) => name),
        isMine,
      );
}

/**
 * Why this node and the others would not find the same messages. A node that ended without a word is there until its lease
 * has run out, so it is waited for.
 */
export async function searchMisfitOf(
  view: () => ClusterView | null,
  { node, indexer, clock, timers, leaseMs }: Pick<ChatNodeParts, 'node' | 'indexer' | 'clock' | 'timers' | 'leaseMs'>,
  isOver: () => boolean,
): Promise<SearchMismatch | null> {
  const misfit = (): SearchMismatch | null => misfitIn(view(), node, indexer?.identity);
  if (misfit() !== null) await until(clock, timers, () => isOver() || misfit() === null, 2 * leaseMs);
  return isOver() ? null : misfit();
}
