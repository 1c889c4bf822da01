import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { kindOfKey } from './redis-memory.ts';
import { storedTimelines } from './stored-timelines.ts';

const SCAN_COUNT = 1_000;
const LOOK_EVERY_MS = 500;

/** What is in Redis of the Timeline of a conversation that has anything there. */
export interface HotStream {
  readonly conversation: string;
  readonly entries: number;
  /** Seq of the first one. */
  readonly first: number;
}

/** A look at all Timelines of conversations. */
export async function hotStreams(redis: Redis): Promise<readonly HotStream[]> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    const [next, page] = await redis.scan(cursor, 'MATCH', '*}:t:c:*', 'COUNT', SCAN_COUNT);
    cursor = next;
    for (const key of page) if (kindOfKey(key) === 'timeline') keys.add(key);
  } while (cursor !== '0');
  const all = [...keys];
  const looked = await storedTimelines(redis, all);
  return all.flatMap((key, index) => {
    const { entries = 0, first = 0 } = looked[index] ?? {};
    return entries === 0 ? [] : [{ conversation: key.slice(key.indexOf('}:t:c:') + 6), entries, first }];
  });
}

/** Looks now and then, until it is stopped. @returns the most entries of one conversation that were seen. */
export function watchHotStreams(redis: Redis): { stop: () => Promise<number> } {
  const ended = new AbortController();
  let most = 0;
  const look = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      for (const { entries } of await hotStreams(redis)) most = Math.max(most, entries);
      await sleep(LOOK_EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const looking = look();
  return {
    stop: async () => {
      ended.abort();
      await looking;
      return most;
    },
  };
}
