import { memoryStorage } from '@millrace/client';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { until } from './support/until.ts';

const GROUP = 'a-group' as ConversationId;

/** Everything is in one partition, so that one user's trouble could hold up everyone's. */
const ONE_PARTITION = { MILLRACE_PARTITIONS: '1', MILLRACE_LOG_LEVEL: 'error' };

describe('a user whose stored record cannot be read', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const open: Device[] = [];
  const connect = async (...[user, options]: [string, Parameters<typeof device>[2]?]): Promise<Device> => {
    const connected = await device(millrace.socketUrl, user, options);
    open.push(connected);
    return connected;
  };
  const close = async (): Promise<void> => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
  };
  afterEach(async () => {
    await close();
    await millrace.stop();
  });

  const bodies = ({ heard }: Device): readonly unknown[] =>
    (heard.get(GROUP) ?? []).filter(({ type }) => type === 'text').map(({ body }) => body);
  const cursor = async (): Promise<{ readonly diffused: number; readonly no: number }> => {
    const [diffused, no] = (await redis.call('HMGET', '{p0}:owner', 'diffused', 'no')) as readonly string[];
    return { diffused: Number(diffused), no: Number(no) };
  };

  it('holds up nobody else, and has everything once the record is mended (I6, U4)', async () => {
    millrace = await startMillrace(redis.url, ONE_PARTITION);
    const bobs = memoryStorage();
    const alice = await connect('alice');
    const bob = await connect('bob', { storage: bobs });
    await alice.client.create({ kind: 'group', conversation: GROUP, members: ['bob', 'carol'] as UserId[] });
    await alice.client.send(GROUP, 'before');
    await until('bob has the first', () => bodies(bob).includes('before'));
    await close();
    await millrace.stop();

    const record = '{p0}:u:bob';
    const whole = (await redis.call('HGET', record, 'p:1')) as string;
    await redis.call('HSET', record, 'p:1', 'moth-eaten');
    millrace = await startMillrace(redis.url, ONE_PARTITION);
    const [sender, carol] = [await connect('alice'), await connect('carol')];
    for (const body of ['while 1', 'while 2', 'while 3']) await sender.client.send(GROUP, body);
    await until('carol is not held up', () => bodies(carol).includes('while 3'));
    expect(millrace.log()).toContain('a delivery was set aside');
    // Nothing waits for bob: the cursor of the partition goes on to its last commit, or the one that stores it.
    await until('the cursor goes on', async () => {
      const { diffused, no } = await cursor();
      return diffused >= no - 1;
    });
    await close();
    await millrace.stop();

    await redis.call('HSET', record, 'p:1', whole);
    millrace = await startMillrace(redis.url, ONE_PARTITION);
    const [again, mended] = [await connect('alice'), await connect('bob', { storage: bobs })];
    const gaps: number[][] = [];
    mended.client.on('gap', ({ after, to }) => gaps.push([after, to]));
    const { seq } = await again.client.send(GROUP, 'after');
    // The hole shows with the next message: the device is told which seqs did not come, and reads them itself.
    await until('bob is told of the gap', () => gaps.length > 0);
    expect(gaps).toEqual([[seq - 4, seq]]);
    const page = await mended.client.history(GROUP, { direction: 'forward', from: (seq - 3) as SequenceId });
    expect(page.messages.map(({ body }) => body)).toEqual(['while 1', 'while 2', 'while 3', 'after']);
    await again.client.send(GROUP, 'and on');
    await until('bob hears what comes behind it', () => bodies(mended).includes('and on'));
  }, 90_000);
});
