import type { RecordReader, TimelineReader } from '@millrace/timeline';
import type { PartitionStore } from '../partition-store.ts';
import type { ClusterStore } from '../placement/cluster-store.ts';

/** One empty store behind its ports. */
export interface StoresUnderTest {
  readonly partitions: PartitionStore;
  readonly cluster: ClusterStore;
  readonly timelines: TimelineReader;
  readonly records: RecordReader;
  /** Resolves once the clock that leases go by has run on by at least `ms`. */
  passTime(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a store that holds nothing yet. Called for each test. */
export type OpenStores = () => Promise<StoresUnderTest>;
