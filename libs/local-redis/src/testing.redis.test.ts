import { afterAll, describe, expect, it } from 'vitest';
import { existsSync } from 'node:fs';
import { isAlive } from './process-life.ts';
import { testRedis } from './testing.ts';

let former: { pid: number; dir: string } | undefined;

describe('the Redis of a test', () => {
  afterAll(() => {
    // Registered before testRedis, so it runs after testRedis has cleaned up.
    expect(former).toBeDefined();
    expect(isAlive(former?.pid ?? 0)).toBe(false);
    expect(existsSync(former?.dir ?? '/')).toBe(false);
  });

  const redis = testRedis();

  it('answers at its url and forgets its data, but not its functions, when flushed', async () => {
    former = { pid: redis.server.pid, dir: redis.server.dir };
    expect(redis.url).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/);
    await redis.call('FUNCTION', 'LOAD', "#!lua name=lib\nredis.register_function('f', function() return 7 end)");
    await redis.call('SET', 'key', 'value');
    await redis.flush();
    expect(await redis.call('GET', 'key')).toBeNull();
    expect(await redis.call('FCALL', 'f', 0)).toBe(7);
  });

  it('turns an error reply into an exception', async () => {
    await redis.call('SET', 'text', 'value');
    await expect(redis.call('INCR', 'text')).rejects.toThrow('not an integer');
  });

  it('may be left paused by a test', async () => {
    await redis.server.kill('SIGSTOP');
    expect(isAlive(redis.server.pid)).toBe(true);
  });
});
