import type { Timers } from '@millrace/kernel';
import { arePairsAtHome, type ClusterView, type Member, type PartitionStore } from '@millrace/partition';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import {
  ArchiveMismatch,
  birthKey,
  decodeBorn,
  formatOf,
  PartitionCountMismatch,
  StoreFormatMismatch,
  type BirthCommand,
  type Born,
} from './birth-actor.ts';
import { SPEECH } from './node-messages.ts';
import { partitionOfActor, type Layout } from './partition-of-actor.ts';
import { searchMisfitOf, type SearchMismatch } from './search-misfit.ts';

const RETRY_MS = 200;

/** Why a node has nothing to do in this cluster. */
export type Misfit = PartitionCountMismatch | StoreFormatMismatch | ArchiveMismatch | SearchMismatch;

function bornMisfitOf(born: Born, { partitionCount, storeFormat }: Layout): Misfit | null {
  if (born.partitions !== partitionCount) return new PartitionCountMismatch(born.partitions, partitionCount);
  const stored = formatOf(born);
  return stored === storeFormat ? null : new StoreFormatMismatch(stored, storeFormat);
}

/**
 * Why a node would not fit to what this store was born with, read from the store itself: before it is in the cluster, where it
 * would write for others. Asks until the store answers. Null when it fits, when nothing was born, or it `isOver` before.
 */
export async function storeMisfitOf(
  store: Pick<PartitionStore, 'loadActor'>,
  layout: Layout,
  timers: Timers,
  isOver: () => boolean,
): Promise<Misfit | null> {
  while (!isOver()) {
    const found = await store.loadActor(partitionOfActor(birthKey, layout), birthKey);
    if (found.ok) {
      const born = decodeBorn(found.value);
      return born === null ? null : bornMisfitOf(born, layout);
    }
    await again(timers);
  }
  return null;
}

const again = (timers: Timers): Promise<void> =>
  new Promise((resolve) => {
    timers.after(RETRY_MS, resolve);
  });

/** What the store was born with. Asks until there is an answer; null when it `isOver` before. */
async function bornWith(
  calls: Pick<ActorCalls, 'post'>,
  { partitionCount, storeFormat, timers }: Pick<ChatNodeParts, keyof Layout | 'timers'>,
  isOver: () => boolean,
): Promise<Born | null> {
  // Also for a node that runs an earlier version.
  const pairsAtHome = arePairsAtHome(storeFormat);
  const command: BirthCommand = { t: 'birth', partitionCount, storeFormat, pairsAtHome, tellsAll: true };
  while (!isOver()) {
    const stored = await new Promise<AnyReply>((resolve) => {
      calls.post(birthKey, command, resolve, 'client');
    });
    if (stored.ok) {
      const born = stored.value as Born | number;
      return typeof born === 'number' ? { partitions: born, archive: null } : born;
    }
    await again(timers);
  }
  return null;
}

/**
 * Why this node does not fit to what the store was born with, with its own number of partitions and format when this is the
 * birth, or to the other nodes. Null when it fits, or it `isOver` before that is known.
 */
export async function misfitOf(
  calls: Pick<ActorCalls, 'post'> & { readonly view: ClusterView | null },
  parts: Pick<ChatNodeParts, 'node' | keyof Layout | 'archiver' | 'indexer' | 'timers' | 'clock' | 'leaseMs'>,
  isOver: () => boolean,
): Promise<Misfit | null> {
  const born = await bornWith(calls, parts, isOver);
  if (born === null) return null;
  const misfit = bornMisfitOf(born, parts);
  if (misfit !== null) return misfit;
  const mine = parts.archiver?.identity ?? null;
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
