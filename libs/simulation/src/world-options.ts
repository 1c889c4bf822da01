import type { MessagingLimits } from '@millrace/messaging';
import type { AckLevel, StoreFormat } from '@millrace/partition';
import type { Habits } from './habits.ts';

/** From how many hot entries on nothing is ever archived: then there is no archive. */
export const NEVER = 1e9;

export interface WorldOptions
  extends
    Pick<
      MessagingLimits,
      'inboxEntriesMax' | 'readAbove' | 'writeBelow' | 'readAboveLoad' | 'writeBelowLoad' | 'sendWindow'
    >,
    Habits {
  readonly level: AckLevel;
  readonly partitionCount: number;
  readonly storeFormat: StoreFormat;
  /** How many Redis the partitions are spread over: each loses its own end. */
  readonly shards: number;
  /** At level `memory`: how far behind a store may be that comes back, milliseconds. */
  readonly unsyncedMs: number;
  /** Nodes of the cluster, when all are up. */
  readonly nodes: number;
  /** Commits that are kept for a store that loses them, milliseconds. */
  readonly heldMs: number;
  /** How likely one request to the store is lost, its answer lost, or refused: each. */
  readonly faultChance: number;
  readonly answersLostChance: number;
  /** Lets faults strike while a lossy crash of the store is still being made good. */
  readonly doubleFaults: boolean;
  /** Lets a replica take the place of the store now and then, which connections do not notice. */
  readonly failOvers: boolean;
  /** How many of the things that devices do are to change a message that is there, 0 to 1. */
  readonly changes: number;
  /** Entries of a conversation that stay hot; the others are archived. `NEVER`: there is no archive. */
  readonly hotEntries: number;
  /** Whether messages are indexed. */
  readonly isSearched: boolean;
}
