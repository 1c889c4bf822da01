import type { ConversationId } from '@millrace/kernel';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import type { KeptTiers } from '../conversation/commands.ts';
import type { PartitionHost } from './partition-host.ts';
import type { Router } from './router.ts';

/**
 * Begins what a node does of itself for its partitions, once it serves them: archiving, letting go of what is too old, and
 * feeding the search index.
 */
export function beginOwnWork(
  {
    archiver,
    retention,
    indexer,
    stores,
    partitionCount,
  }: Pick<ChatNodeParts, 'archiver' | 'retention' | 'indexer' | 'stores' | 'partitionCount'>,
  router: Router,
  host: PartitionHost,
): void {
  const tiers = (conversation: ConversationId): Promise<KeptTiers | null> => host.tiers(conversation);
  archiver?.serve({ calls: router, view: () => router.view, tiers });
  retention?.serve({ calls: router, tiers });
  indexer?.serve({
    calls: router,
    reads: stores,
    partitions: () => host.partitions,
    partitionCount,
    standing: (partition) => host.standing(partition),
    headOf: (conversation) => host.headOf(conversation),
    readFeed: (partition, after, limit) => stores.partitions.readFeed(partition, after, limit),
    stands: (partition) => stores.partitions.stands(partition),
  });
}
