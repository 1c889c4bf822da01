import { shortTimelinePositions } from '@millrace/redis-store';
import type { Redis } from 'ioredis';

/** What Redis has of a Timeline, an inbox or a changefeed. */
export interface StoredTimeline {
  readonly entries: number;
  /** Seq of the first one, 0 for none. */
  readonly first: number;
}

/** Of pipelined commands: the answers, or the first error. */
export async function answersOf(pipeline: ReturnType<Redis['pipeline']>): Promise<readonly unknown[]> {
  return ((await pipeline.exec()) ?? []).map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
}

function shortTimeline(text: Buffer | null): StoredTimeline {
  const positions = text === null ? [] : shortTimelinePositions(text);
  return { entries: positions.length, first: positions[0]?.seq ?? 0 };
}

function streamTimeline(entries: unknown, range: unknown): StoredTimeline {
  const [first] = range as readonly (readonly [id: string])[];
  return { entries: Number(entries), first: Number(first?.[0].split('-')[1] ?? 0) };
}

/** In the order of the keys. One that has gone meanwhile is empty. */
export async function storedTimelines(redis: Redis, keys: readonly string[]): Promise<readonly StoredTimeline[]> {
  const asked = redis.pipeline();
  for (const key of keys) asked.type(key);
  const areTexts = (await answersOf(asked)).map((type) => type === 'string');
  const reads = redis.pipeline();
  keys.forEach((key, index) => {
    if (areTexts[index] === true) reads.getBuffer(key).exists(key);
    else reads.xlen(key).xrange(key, '-', '+', 'COUNT', 1);
  });
  const answers = await answersOf(reads);
  return areTexts.map((isText, index) => {
    const [one, other] = [answers[2 * index], answers[2 * index + 1]];
    return isText ? shortTimeline(one as Buffer | null) : streamTimeline(one, other);
  });
}
