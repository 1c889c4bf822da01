import type { TestRedis } from '@millrace/local-redis/testing';

/** For scripts of tests, and of what looks at a Redis beside its servers: `length(key)`, how many entries the Timeline of a key has, be it a text or a stream. */
export const LENGTH_IN_LUA = `
  local function length(key)
    if redis.call('TYPE', key).ok ~= 'string' then return redis.call('XLEN', key) end
    return #{ cmsgpack.unpack(redis.call('GET', key)) } / 2
  end`;

const LENGTHS = `${LENGTH_IN_LUA}
  local answer = {}
  for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
    answer[#answer + 1] = key
    answer[#answer + 1] = length(key)
  end
  return answer`;

/** How many entries each Timeline has in Redis whose key is like the pattern. */
export async function timelineLengths(redis: TestRedis, pattern: string): Promise<ReadonlyMap<string, number>> {
  const answer = (await redis.call('EVAL', LENGTHS, 0, pattern)) as readonly unknown[];
  const lengths = new Map<string, number>();
  for (let at = 0; at < answer.length; at += 2) lengths.set(String(answer[at]), Number(answer[at + 1]));
  return lengths;
}
