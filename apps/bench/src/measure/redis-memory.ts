import { Redis } from 'ioredis';
import { answersOf, storedTimelines } from './stored-timelines.ts';

const SCAN_COUNT = 1_000;

/** What a key of Millrace is part of (see the key layout of redis-store). */
export type KeyKind = 'timeline' | 'inbox' | 'conversation' | 'user' | 'feed' | 'other';

export function kindOfKey(key: string): KeyKind {
  if (/\}:t:c:/.test(key)) return 'timeline';
  if (/\}:t:u:/.test(key)) return 'inbox';
  if (/\}:c:/.test(key)) return 'conversation';
  if (/\}:u:/.test(key)) return 'user';
  return key.endsWith('}:feed') ? 'feed' : 'other';
}

const hasEntries = (key: string): boolean => ['timeline', 'inbox', 'feed'].includes(kindOfKey(key));

/** Keys of one kind: how many, their bytes with all that Redis keeps for them, and the entries of those that have some. */
export interface KeySum {
  readonly keys: number;
  readonly bytes: number;
  readonly entries: number;
}

export type MemoryByKind = Readonly<Record<KeyKind, KeySum>> & {
  /** `used_memory` of Redis, which is more than that of its keys. */
  readonly usedBytes: number;
};

export const nothingKept: KeySum = { keys: 0, bytes: 0, entries: 0 };

/** Adds the keys up by kind. Exported for its test. */
export function sumByKind(
  keys: readonly { readonly key: string; readonly bytes: number; readonly entries: number }[],
): Readonly<Record<KeyKind, KeySum>> {
  const sums: Record<KeyKind, KeySum> = {
    timeline: nothingKept,
    inbox: nothingKept,
    conversation: nothingKept,
    user: nothingKept,
    feed: nothingKept,
    other: nothingKept,
  };
  for (const { key, bytes, entries } of keys) {
    const kind = kindOfKey(key);
    const sum = sums[kind];
    sums[kind] = { keys: sum.keys + 1, bytes: sum.bytes + bytes, entries: sum.entries + entries };
  }
  return sums;
}

/** Asks Redis for each of its keys what it takes. @param url - as ioredis takes it, or `unix://` and a path. */
export async function memoryByKind(url: string): Promise<MemoryByKind> {
  const redis = new Redis(url.replace(/^unix:\/\//, ''), { lazyConnect: true });
  try {
    await redis.connect();
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, page] = await redis.scan(cursor, 'COUNT', SCAN_COUNT);
      cursor = next;
      for (const key of page) found.add(key);
    } while (cursor !== '0');
    const keys = [...found];
    const looked: { readonly key: string; readonly bytes: number; readonly entries: number }[] = [];
    for (let from = 0; from < keys.length; from += SCAN_COUNT) {
      const some = keys.slice(from, from + SCAN_COUNT);
      const pipeline = redis.pipeline();
      // Of a stream, of all its nodes: otherwise a few are looked at and the rest is guessed.
      for (const key of some) pipeline.call('MEMORY', 'USAGE', key, 'SAMPLES', '0');
      const sizes = await answersOf(pipeline);
      const holding = some.filter(hasEntries);
      const held = new Map(
        (await storedTimelines(redis, holding)).map(({ entries }, index) => [holding[index], entries]),
      );
      some.forEach((key, index) => {
        looked.push({ key, bytes: Number(sizes[index] ?? 0), entries: held.get(key) ?? 0 });
      });
    }
    const memory = await redis.info('memory');
    return { ...sumByKind(looked), usedBytes: Number(/^used_memory:(\d+)/m.exec(memory)?.[1] ?? 0) };
  } finally {
    redis.disconnect();
  }
}
