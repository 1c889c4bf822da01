import { TieredTimelines } from '@millrace/archive';
import type { RedisStores } from '@millrace/redis-store';
import { StoreUnavailable, type TimelineReader } from '@millrace/timeline';
import type { ServerLog } from '../logging.ts';
import type { OpenedArchive } from './open-archive.ts';

/** The Timelines of what is in Redis and of what was archived, as one. */
export function timelinesOver(
  { timelines, partitions }: Pick<RedisStores, 'timelines' | 'partitions'>,
  { store }: OpenedArchive,
  log: ServerLog,
): TimelineReader {
  return new TieredTimelines({
    hot: timelines,
    archive: store,
    async headOf(partition, actor) {
      const record = await partitions.loadFields(partition, actor, []);
      if (!record.ok) throw new StoreUnavailable(record.error.message);
      return record.value.head;
    },
    refused: ({ code, message, whatToDo }) => {
      const fields = { error: message, whatToDo };
      if (code === 'damaged') log.error('archived entries cannot be read', fields);
      else log.warn('archived entries cannot be read at the moment', fields);
    },
  });
}
