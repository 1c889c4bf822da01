import type { TimelineReader } from '@millrace/timeline';
import type { LeaseStore, PartitionStore } from '../partition-store.ts';

/** One empty store behind the three ports. */
export interface StoresUnderTest {
  readonly partitions: PartitionStore;
  readonly leases: LeaseStore;
  readonly timelines: TimelineReader;
  /** Resolves once the clock that leases go by has run on by at least `ms`. */
  passTime(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a store that holds nothing yet. Called for each test. */
export type OpenStores = () => Promise<StoresUnderTest>;
