import { utf8, type NodeId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { nodeStreamsConformance } from '@millrace/node-link/conformance';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores } from './testing/open-stores.ts';
import { streamsUnderTest } from './testing/streams-under-test.ts';

const redis = testRedis();
const node = 'n1' as NodeId;
const [stream, companion] = ['{n:n1}:in', '{n:n1}:open'] as const;
let opened = 0;

nodeStreamsConformance('Redis', () => {
  opened += 1;
  return Promise.resolve(streamsUnderTest(redis, `streams${String(opened)}:`));
});

describe('node streams on Redis', () => {
  let stores: RedisStores;
  let taken: string[];
  let resets: number;

  const open = async (): Promise<{ close(): Promise<void> }> => {
    const answer = await stores.nodeStreams.open(node, (entries) =>
      taken.push(...entries.map((entry) => Buffer.from(entry).toString())),
    );
    if (!answer.ok) throw new Error(answer.error.message);
    answer.value.onReset(() => (resets += 1));
    return answer.value;
  };
  const send = async (text: string): Promise<string> => (await stores.nodeStreams.send(node, utf8(text))).code;
  const until = (condition: () => boolean | Promise<boolean>): Promise<boolean> =>
    vi.waitUntil(condition, { interval: 5, timeout: 10_000 });
  /** How often Redis has executed a function. */
  const functionCalls = async (): Promise<number> => {
    const stats = String(await redis.call('INFO', 'commandstats'));
    return Number(/cmdstat_fcall:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };

  beforeEach(async () => {
    await redis.flush();
    taken = [];
    resets = 0;
    stores = await openRedisStores(redis.url, { nodeStreamLimits: { blockMs: 100, expiryMs: 60_000 } });
  });
  afterEach(() => {
    stores.close();
  });

  it('add all that is sent in one turn by one call (S1)', async () => {
    await open();
    await redis.call('CONFIG', 'RESETSTAT');
    const codes = await Promise.all(['a', 'b', 'c'].map(send));
    expect(codes).toEqual(['sent', 'sent', 'sent']);
    const stats = String(await redis.call('INFO', 'commandstats'));
    expect(/cmdstat_xadd:calls=(\d+)/.exec(stats)?.[1]).toBe('3');
    await until(() => taken.length === 3);
    expect(taken).toEqual(['a', 'b', 'c']);
  });

  it('expire without their reader, and not with it', async () => {
    const reader = await open();
    await send('x');
    await until(async () => (await redis.call('XLEN', stream)) === 0);
    await redis.call('PEXPIRE', stream, 30_000);
    await redis.call('PEXPIRE', companion, 30_000);
    await until(async () => Number(await redis.call('PTTL', stream)) > 30_000);
    await until(async () => Number(await redis.call('PTTL', companion)) > 30_000);
    expect(Number(await redis.call('PTTL', stream))).toBeLessThanOrEqual(60_000);
    await reader.close();
    expect(await redis.call('KEYS', '*')).toEqual([]);
  });

  it('are trimmed by what was taken, and count what waits', async () => {
    await open();
    for (const text of ['abc', 'defg']) await send(text);
    await until(async () => (await redis.call('XLEN', stream)) === 0);
    expect(await redis.call('HMGET', companion, 'added', 'taken')).toEqual(['7', '7']);
  });

  it('are read by a read that waits, not by one that is repeated', async () => {
    stores.close();
    stores = await openRedisStores(redis.url, { nodeStreamLimits: { blockMs: 5_000 } });
    await open();
    await send('x');
    await until(() => taken.length === 1);
    await until(async () => String(await redis.call('INFO', 'clients')).includes('blocked_clients:1'));
    await redis.call('CONFIG', 'RESETSTAT');
    const before = await functionCalls();
    await send('y');
    await until(() => taken.length === 2);
    const stats = String(await redis.call('INFO', 'commandstats'));
    // The read that had waited for "y" began before, and the one behind it is there or about to come.
    expect(Number(/cmdstat_xread:calls=(\d+)/.exec(stats)?.[1] ?? 0)).toBeLessThanOrEqual(1);
    expect((await functionCalls()) - before).toBe(1);
  });

  it('that are deleted while nobody loses a connection are created anew', async () => {
    await open();
    await redis.call('DEL', stream, companion);
    await until(() => resets === 1);
    expect(await send('after')).toBe('sent');
    await until(() => taken.length === 1);
  });

  it('that were left by half are gone, and are created anew', async () => {
    await open();
    await redis.call('DEL', stream);
    expect(await send('x')).toBe('gone');
    await until(() => resets === 1);
    await redis.call('DEL', companion);
    expect(await send('x')).toBe('gone');
    await until(() => resets === 2);
  });

  it('that went back to before what was taken are created anew, and nothing is taken twice', async () => {
    await open();
    for (const text of ['1', '2']) await send(text);
    await until(() => taken.length === 2);
    await until(async () => (await redis.call('XLEN', stream)) === 0);
    // As a replica that had not heard of the second entry, and was promoted. One call, for there is a reader.
    const back = `redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '5-1', '1', '1') return 1`;
    await redis.call('EVAL', back, 1, stream);
    await until(() => resets === 1);
    expect(await send('3')).toBe('sent');
    await until(() => taken.length === 3);
    expect(taken).toEqual(['1', '2', '3']);
  });

  it('go on over maxmemory, when nothing else is accepted (I9)', async () => {
    await open();
    await redis.call('CONFIG', 'SET', 'maxmemory', 1);
    try {
      expect(await send('x')).toBe('sent');
      await until(() => taken.length === 1);
      await until(async () => (await redis.call('XLEN', stream)) === 0);
    } finally {
      await redis.call('CONFIG', 'SET', 'maxmemory', 0);
    }
  });

  it('are unavailable while Redis is down, and there again with it', async () => {
    await open();
    await send('before');
    await until(() => taken.length === 1);
    await redis.server.kill('SIGKILL');
    await until(async () => (await send('down')) === 'unavailable');
    const restarted = await redis.server.restart();
    expect(restarted.ok).toBe(true);
    await until(async () => (await send('after')) === 'sent');
    await until(() => taken.at(-1) === 'after');
  });
});
