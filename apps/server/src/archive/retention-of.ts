import { Retention, type RetentionParts } from '@millrace/messaging';
import type { RedisStores } from '@millrace/redis-store';
import type { TimelineReader } from '@millrace/timeline';
import { retentionLimitsOf } from '../node-parts.ts';
import type { ServerConfig } from '../server-config.ts';
import type { OpenedArchive } from './open-archive.ts';

/** What lets go of entries that are older than is kept. Also where the deployment keeps all: a conversation may say less. */
export const retentionOf = (
  config: Pick<ServerConfig, 'retentionDays'>,
  stores: Pick<RedisStores, 'partitions' | 'storedConversations' | 'isArchiveHeld'>,
  timelines: TimelineReader,
  archive: OpenedArchive | null,
  parts: Pick<RetentionParts, 'clock' | 'timers' | 'log'>,
): Retention =>
  new Retention({
    ...parts,
    ...{ timelines, partitions: stores.partitions, stored: stores.storedConversations },
    limits: retentionLimitsOf(config),
    archive: archive === null ? null : archive.store,
    isHeld: () => stores.isArchiveHeld(),
  });
