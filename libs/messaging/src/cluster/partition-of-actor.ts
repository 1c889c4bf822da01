import { hash32, hash32Of, partitionId, type PartitionId } from '@millrace/kernel';
import { arePairsAtHome, partitionOfHash, type StoreFormat } from '@millrace/partition';
import type { ActorKey } from '@millrace/timeline';
import { promotedPartition } from '../lobby/promoted-lobbies.ts';
import { birthKey } from './birth-actor.ts';

/** How actors are spread over partitions: fixed when a cluster is born. */
export interface Layout {
  readonly partitionCount: number;
  /** Whether a conversation of two is where one of the two is. */
  readonly storeFormat: StoreFormat;
}

/** Where an actor lives: by its name, but for those of the cluster and of the partitions themselves. */
export function partitionOfActor(key: ActorKey, { partitionCount, storeFormat }: Layout): PartitionId {
  if (key === birthKey) return partitionId(0);
  const named = promotedPartition(key);
  if (named !== null) return partitionId(named);
  const own = hash32(key);
  return partitionOfHash(arePairsAtHome(storeFormat) ? homeOf(key, own) : own, partitionCount);
}

/** Only the id of a conversation of two has this. */
const BETWEEN = '!';
const USER = 'u:';
/** What the key of a conversation has before its id. */
const HEAD_LENGTH = 2;

/**
 * The hash of the user with whom a conversation of two lives: one of them as often as the other. Others live by their own.
 * On the way of each message, so that the user's key is not made for it.
 */
function homeOf(key: ActorKey, own: number): number {
  const between = key.indexOf(BETWEEN);
  if (between < 0) return own;
  return own % 2 === 0 ? hash32Of(USER, key, HEAD_LENGTH, between) : hash32Of(USER, key, between + 1, key.length);
}
