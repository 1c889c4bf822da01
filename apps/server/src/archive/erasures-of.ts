import { ChainChecks, Erasures, type Archiver, type ChatNode, type ErasuresParts } from '@millrace/messaging';
import type { RedisStores } from '@millrace/redis-store';
import type { SearchIndex } from '@millrace/search';
import type { TimelineReader } from '@millrace/timeline';
import type { OpenedArchive } from './open-archive.ts';

/** What erases users and conversations, over everything that this process has of them. */
export const erasuresOf = (
  node: Pick<ChatNode, 'erasing'>,
  {
    partitions,
    storedConversations: stored,
    records,
  }: Pick<RedisStores, 'partitions' | 'storedConversations' | 'records'>,
  timelines: TimelineReader,
  archive: OpenedArchive | null,
  archiver: Archiver | null,
  search: SearchIndex | null,
  jobs: ErasuresParts['jobs'],
  parts: Pick<ErasuresParts, 'clock' | 'timers' | 'log'>,
): Erasures => {
  const reads = { timelines, records };
  const tiers = { archive: archive === null ? null : archive.store, archiver };
  return new Erasures({ ...parts, ...tiers, partitions, reads, stored, search, jobs }, node.erasing);
};

/** What checks whether all that is stored of conversations is what was archived, and was erased by right. */
export const chainsOf = (
  { erasing }: Pick<ChatNode, 'erasing'>,
  { records }: Pick<RedisStores, 'records'>,
  timelines: TimelineReader,
  archive: OpenedArchive | null,
): ChainChecks =>
  new ChainChecks({
    calls: erasing.calls,
    reads: { timelines, records },
    archive: archive === null ? null : archive.store,
  });
