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

/** In one look, for one becomes the other meanwhile: a short one is a text (see functions/shared.lua of redis-store). */
const LOOK = `
  if redis.call('TYPE', KEYS[1]).ok == 'string' then
    local values = { cmsgpack.unpack(redis.call('GET', KEYS[1])) }
    return { #values / 2, values[1] }
  end
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  return { redis.call('XLEN', KEYS[1]), first and first[1] }`;

/** In the order of the keys. One that has gone meanwhile is empty. */
export async function storedTimelines(redis: Redis, keys: readonly string[]): Promise<readonly StoredTimeline[]> {
  const looks = redis.pipeline();
  for (const key of keys) looks.eval(LOOK, 1, key);
  return (await answersOf(looks)).map((answer) => {
    const [entries, id = null] = answer as readonly [number, (string | null)?];
    return { entries, first: Number(id?.split('-')[1] ?? 0) };
  });
}
