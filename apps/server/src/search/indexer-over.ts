import { defaultIndexerLimits, Indexer, type IndexerParts } from '@millrace/messaging';
import type { RedisStores } from '@millrace/redis-store';
import type { Registry } from 'prom-client';
import type { OpenedSearch } from './open-search.ts';
import { searchMetrics } from './search-metrics.ts';

/** What feeds the index that was opened, and its metrics; null where none was. */
export function indexerOver(
  search: OpenedSearch | null,
  { names }: Pick<RedisStores, 'names'>,
  registry: Registry,
  parts: Pick<IndexerParts, 'clock' | 'timers' | 'log'>,
): Indexer | null {
  if (search === null) return null;
  const { index, identity, rules } = search;
  const indexer = new Indexer({ index, identity, rules, names, limits: defaultIndexerLimits, ...parts });
  searchMetrics(registry, () => indexer.stats, index);
  return indexer;
}
