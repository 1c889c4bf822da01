import type { ClusterView, Member } from '@millrace/partition';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import { ArchiveMismatch, birthKey, PairsMismatch, PartitionCountMismatch, type Born } from './birth-actor.ts';
import { SPEECH } from './node-messages.ts';
import type { Layout } from './partition-of-actor.ts';
import { searchMisfitOf, type SearchMismatch } from './search-misfit.ts';

const RETRY_MS = 200;

/** Why a node has nothing to do in this cluster. */
export type Misfit = PartitionCountMismatch | PairsMismatch | ArchiveMismatch | SearchMismatch;

/** What the store was born with. Asks until there is an answer; null when it `isOver` before. */
async function bornWith(
  calls: Pick<ActorCalls, 'post'>,
  { partitionCount, pairsAtHome, timers }: Pick<ChatNodeParts, keyof Layout | 'timers'>,
  isOver: () => boolean,
): Promise<Born | null> {
  while (!isOver()) {
    const stored = await new Promise<AnyReply>((resolve) => {
      calls.post(birthKey, { t: 'birth', partitionCount, pairsAtHome, tellsAll: true }, resolve, 'client');
    });
    if (stored.ok) {
      const born = stored.value as Born | number;
      return typeof born === 'number' ? { partitions: born, archive: null } : born;
    }
    await new Promise<void>((resolve) => {
      timers.after(RETRY_MS, resolve);
    });
  }
  return null;
}

/**
 * Why this node does not fit to what the store was born with, with its number of partitions when this is the birth, or to
 * the other nodes. Null when it fits, or it `isOver` before that is known.
 */
export async function misfitOf(
  calls: Pick<ActorCalls, 'post'> & { readonly view: ClusterView | null },
  parts: Pick<ChatNodeParts, 'node' | keyof Layout | 'archiver' | 'indexer' | 'timers' | 'clock' | 'leaseMs'>,
  isOver: () => boolean,
): Promise<Misfit | null> {
  const { partitionCount, pairsAtHome, archiver } = parts;
  const born = await bornWith(calls, parts, isOver);
  if (born === null) return null;
  if (born.partitions !== partitionCount) return new PartitionCountMismatch(born.partitions, partitionCount);
  if ((born.pairsAtHome ?? false) !== pairsAtHome) return new PairsMismatch(born.pairsAtHome ?? false);
  const mine = archiver?.identity ?? null;
  if (born.archive !== null && born.archive !== mine) return new ArchiveMismatch(born.archive, mine);
  return searchMisfitOf(() => calls.view, parts, isOver);
}

/** What a node says to the others of where it archives and searches, whether it rolls for them, and how they may speak to it. */
export const storesOf = ({
  archiver,
  indexer,
  roles,
}: Pick<ChatNodeParts, 'archiver' | 'indexer' | 'roles'>): Pick<Member, 'archive' | 'search' | 'rolls' | 'speaks'> => ({
  speaks: SPEECH,
  ...(archiver === undefined ? {} : { archive: archiver.identity }),
  ...(archiver !== undefined && roles.includes('jobs') ? { rolls: true } : {}),
  ...(indexer === undefined ? {} : { search: indexer.identity }),
});
