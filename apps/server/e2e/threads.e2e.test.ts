import { memoryStorage, type MillraceClient } from '@millrace/client';
import type { SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const [BEN, CLEO] = ['ben', 'cleo'] as [UserId, UserId];

describe('messages that answer others, over two nodes', () => {
  const redis = testRedis();
  const devices: MillraceClient[] = [];
  let cluster: MillraceCluster;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, { MILLRACE_PARTITIONS: '8' });
    await cluster.add();
    await cluster.add();
    await cluster.untilSpread(8);
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((client) => client.close()));
    expect(frameCheck.take().problems).toEqual([]);
  });
  afterAll(() => cluster.stop());

  const connect = async (user: string, options: Parameters<typeof device>[2] = {}): Promise<Device> => {
    const connected = await device(cluster.nextSocketUrl(), user, options);
    devices.push(connected.client);
    return connected;
  };

  it('stand in threads, which every device counts the same and any reads from any position on', async () => {
    const storage = memoryStorage();
    const [ann, phone, laptop] = await Promise.all([
      connect('ann', { encoding: 'json' }),
      connect('ben', { encoding: 'json', storage }),
      connect('ben', { encoding: 'binary' }),
    ]);
    const { conversation } = await ann.client.create({ kind: 'group', members: [BEN, CLEO] });
    const { seq: first } = await ann.client.send(conversation, 'Which tea?');
    const rootOf = ({ client }: Device) => client.messages(conversation).find(({ seq }) => seq === first);
    await until('ben has it', () => [phone, laptop].every((each) => rootOf(each) !== undefined));
    const { seq: second } = await laptop.client.send(conversation, 'Green', { replyTo: first });
    await phone.client.close();
    const replies: SequenceId[] = [second];
    for (let count = 0; count < 70; count += 1) {
      const replyTo = count % 2 === 0 ? first : second;
      replies.push((await ann.client.send(conversation, `answer ${String(count)}`, { replyTo })).seq);
    }
    const again = await connect('ben', { encoding: 'json', storage });
    const last = replies.at(-1);
    const all = [ann, laptop, again];
    await until('all have heard of it', () => all.every((each) => rootOf(each)?.replies?.last === last));
    for (const each of all) {
      expect(rootOf(each)).toMatchObject({ body: 'Which tea?', rev: last, replies: { count: 71, last } });
      const own = each.client.messages(conversation).find(({ seq }) => seq === replies[2]);
      expect(own).toMatchObject({ replyTo: second, thread: first });
    }
    const cleo = await connectAs(cluster.nextSocketUrl(), 'cleo', 'raw');
    const page = await readAll(cleo, conversation);
    expect(page.find(({ seq }) => seq === first)).toMatchObject({ rev: last, replies: { count: 71, last } });
    cleo.close();
    const backward = await again.client.thread(conversation, first, { limit: 3 });
    expect(backward.messages.map(({ seq }) => seq)).toEqual(replies.slice(-3).reverse());
    expect(backward.hasMore).toBe(true);
    const forward = await laptop.client.thread(conversation, first, {
      direction: 'forward',
      from: replies[60] ?? first,
    });
    expect(forward.messages.map(({ seq }) => seq)).toEqual(replies.slice(60));
    expect(forward.hasMore).toBe(false);
    expect((await laptop.client.thread(conversation, second)).messages).toEqual([]);

    await ann.client.recall(conversation, first);
    await expect(laptop.client.send(conversation, 'too late', { replyTo: first })).rejects.toMatchObject({
      code: 'conflict',
    });
    await laptop.client.send(conversation, 'it goes on', { replyTo: second });
    await until('all have heard of that', () => all.every((each) => rootOf(each)?.replies?.count === 72));
    for (const each of all) expect(rootOf(each)).toMatchObject({ body: '', recalled: { by: 'ann' } });
    await expect(laptop.client.send(conversation, 'to nothing', { replyTo: 999 as SequenceId })).rejects.toMatchObject({
      code: 'not_found',
    });
  }, 90_000);
});
