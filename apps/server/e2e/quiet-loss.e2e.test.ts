import { setTimeout as sleep } from 'node:timers/promises';
import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { LENGTH_IN_LUA, timelineLengths } from '@millrace/redis-store/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { until } from './support/until.ts';

const room = 'room' as ConversationId;
const TIMELINE = `{p*}:t:c:${room}`;
/** Longer than cursors wait for a commit that they could go with. */
const QUIET_MS = 3_000;

/** Copies all that partitions have into another database. */
const KEEP = `for _, key in ipairs(redis.call('KEYS', '{p*')) do redis.call('COPY', key, key, 'DB', 5, 'REPLACE') end`;
/** What they have is what they had then. @returns how many entries the Timeline has by that. */
const LOSE = `${LENGTH_IN_LUA}
  for _, key in ipairs(redis.call('KEYS', '{p*')) do redis.call('DEL', key) end
  redis.call('SELECT', 5)
  for _, key in ipairs(redis.call('KEYS', '{p*')) do redis.call('COPY', key, key, 'DB', 0) end
  return length(ARGV[1])`;
/** Somebody else claims every partition. */
const CLAIM = `
  for _, key in ipairs(redis.call('KEYS', '{p*}:owner')) do
    local epoch = redis.call('HINCRBY', key, 'epoch', 1)
    redis.call('HSET', key, 'token', epoch .. ':somebody')
  end`;

describe('a Redis that serves on, at ack level memory, where nobody writes', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  let ann: Device;

  beforeAll(async () => {
    millrace = await startMillrace(redis.url, { MILLRACE_ACK: 'memory', MILLRACE_PARTITIONS: '4' });
    ann = await device(millrace.socketUrl, 'ann');
    await ann.client.create({ kind: 'group', conversation: room, members: ['bob' as UserId] });
    await ann.client.send(room, 'one');
  }, 60_000);
  afterAll(async () => {
    await ann.client.close();
    await millrace.stop();
  });

  /** Past every node. */
  const stored = async (): Promise<number> => [...(await timelineLengths(redis, TIMELINE)).values()][0] ?? 0;
  const timeline = async (): Promise<string> => [...(await timelineLengths(redis, TIMELINE)).keys()][0] ?? '';
  const page = async (): Promise<readonly string[]> => {
    const { messages } = await ann.client.history(room, { direction: 'forward', limit: 100 });
    return messages.map(({ body, replies }) => `${String(body)} ${String(replies?.count ?? 0)}`);
  };

  it('gets what it has lost again, though nobody says another word (I1, I5)', async () => {
    await sleep(QUIET_MS);
    await redis.call('EVAL', KEEP, 0);
    const before = await stored();
    const { seq } = await ann.client.send(room, 'two');
    await ann.client.send(room, 'an answer', { replyTo: sequenceId(seq) });
    await sleep(QUIET_MS);
    const whole = await page();
    expect(whole.slice(-2)).toEqual(['two 1', 'an answer 0']);
    expect(Number(await redis.call('EVAL', LOSE, 0, await timeline()))).toBe(before);
    await until('it is there again', async () => (await stored()) === before + 2, 10_000);
    expect(millrace.log()).toContain('they are replayed from memory');
    expect(await page()).toEqual(whole);
  }, 60_000);

  it('is served by who owns it, and by nobody who does no more (P5)', async () => {
    await sleep(QUIET_MS);
    const before = await page();
    await redis.call('EVAL', CLAIM, 0);
    await until('the server lets go', () => millrace.log().includes('another owner has the partition'), 10_000);
    // It is alone, and so the partitions are its own again.
    await until('pages are told', async () => (await page().catch(() => [])).length === before.length, 30_000);
    expect(await page()).toEqual(before);
    expect((await ann.client.send(room, 'three')).duplicate).toBe(false);
  }, 60_000);
});
