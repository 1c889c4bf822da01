import { generation, InvariantViolation, sequenceId, type PartitionId, type Timers } from '@millrace/kernel';
import {
  StoreUnavailable,
  type ActorKey,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import type { Connection } from './connection.ts';
import { answerWithin } from './deadline.ts';
import type { KeyLayout } from './key-layout.ts';
import { messageOf } from './store-errors.ts';
import { streamEntries } from './stream-reply.ts';

export interface RedisTimelineReaderParts {
  readonly reads: Connection;
  readonly layout: KeyLayout;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

const idOf = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;

/** {@link TimelineReader} on Redis Streams. The reads of one turn go as one pipeline, apart from the commits. */
export class RedisTimelineReader implements TimelineReader {
  readonly #parts: RedisTimelineReaderParts;

  constructor(parts: RedisTimelineReaderParts) {
    this.#parts = parts;
  }

  async range(partition: PartitionId, actor: ActorKey, query: RangeQuery): Promise<readonly TimelineEntry[]> {
    const { reads, layout, timers, answerMsMax } = this.#parts;
    const key = layout.timeline(partition, actor);
    const from = idOf(query.from);
    const to = idOf(query.to);
    try {
      const reply =
        query.direction === 'forward'
          ? reads.client.xrangeBuffer(key, from, to, 'COUNT', query.limit)
          : reads.client.xrevrangeBuffer(key, to, from, 'COUNT', query.limit);
      return streamEntries(await answerWithin(timers, answerMsMax, reply), (first, second, data) => ({
        gen: generation(first),
        seq: sequenceId(second),
        data,
      }));
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      throw new StoreUnavailable(`could not read the Timeline of ${actor}: ${messageOf(error)}`, { cause: error });
    }
  }

  async at(partition: PartitionId, actor: ActorKey, position: Position): Promise<TimelineEntry | null> {
    const query: RangeQuery = { from: position, to: position, limit: 1, direction: 'forward' };
    const [entry] = await this.range(partition, actor, query);
    return entry ?? null;
  }
}
