import { InvariantViolation, type PartitionId, type Timers } from '@millrace/kernel';
import {
  StoreUnavailable,
  type ActorKey,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import type { Connection } from './connection.ts';
import type { KeyLayout } from './key-layout.ts';
import { RangeReads } from './range-reads.ts';
import { messageOf } from './store-errors.ts';

export interface RedisTimelineReaderParts {
  readonly reads: Connection;
  readonly layout: KeyLayout;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

/** {@link TimelineReader} on Redis Streams. The reads of one turn go together, apart from the commits. */
export class RedisTimelineReader implements TimelineReader {
  readonly #layout: KeyLayout;
  readonly #ranges: RangeReads;

  constructor({ layout, ...parts }: RedisTimelineReaderParts) {
    this.#layout = layout;
    this.#ranges = new RangeReads(parts);
  }

  async range(partition: PartitionId, actor: ActorKey, query: RangeQuery): Promise<readonly TimelineEntry[]> {
    try {
      return await this.#ranges.read(partition, this.#layout.timeline(partition, actor), query);
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
