import type { IndexerStats } from '@millrace/messaging';
import type { SearchIndex } from '@millrace/search';
import type { Registry } from 'prom-client';
import { gaugeInto } from '../gauge-into.ts';

/** Of the search index, as this node feeds it. */
export function searchMetrics(registry: Registry, stats: () => IndexerStats, index: SearchIndex): void {
  const gauge = gaugeInto(registry);
  gauge(
    'millrace_search_lag_seconds',
    'For how long the oldest commit of this node waits that is not indexed; 0 when none does.',
    () => stats().lagMs / 1_000,
  );
  gauge(
    'millrace_search_failing_seconds',
    'For how long something could not be indexed; 0 when it can.',
    () => stats().failingMs / 1_000,
  );
  gauge('millrace_search_indexed', 'Changes of messages indexed by this process.', () => stats().changesIndexed);
  gauge(
    'millrace_search_comparing',
    'Partitions whose conversations are being compared with the index.',
    () => stats().comparing,
  );
  gauge(
    'millrace_search_aside',
    'Conversations that could not be read, and are not indexed any further.',
    () => stats().conversationsAside,
  );
  gauge('millrace_search_reachable', '1 when the search index answers and takes something.', async () => {
    const health = await index.health();
    return health.ok && health.value.writable ? 1 : 0;
  });
}
