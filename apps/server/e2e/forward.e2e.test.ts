import type { MillraceClient } from '@millrace/client';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const [BEN, CLEO] = ['ben', 'cleo'] as [UserId, UserId];

describe('messages that are forwarded', () => {
  const redis = testRedis();
  const devices: MillraceClient[] = [];
  let cluster: MillraceCluster;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, { MILLRACE_PARTITIONS: '8' });
    await cluster.add();
    await cluster.untilSpread(8);
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((client) => client.close()));
    expect(frameCheck.take().problems).toEqual([]);
  });
  afterAll(() => cluster.stop());

  const connect = async (user: string, encoding: 'json' | 'binary'): Promise<Device> => {
    const connected = await device(cluster.nextSocketUrl(), user, { encoding });
    devices.push(connected.client);
    return connected;
  };

  it('say what was said where they are from, and by whom, whatever a client says (I11)', async () => {
    const [ann, ben, cleo] = await Promise.all([
      connect('ann', 'json'),
      connect('ben', 'binary'),
      connect('cleo', 'binary'),
    ]);
    const { conversation: from } = await ann.client.create({ kind: 'group', members: [BEN] });
    const { conversation: to } = await ben.client.create({ kind: 'group', members: [CLEO] });
    const said = await ann.client.send(from, 'hello', { mentions: [BEN] });
    await ann.client.edit(from, said.seq, 'hello, all');
    const custom = await ann.client.send(from, Uint8Array.of(1, 0, 255));
    const secret = await ann.client.send(from, 'the secret');
    const at = (conversation: ConversationId, seq: SequenceId) => ({ conversation, seq });
    const first = await ben.client.forward(to, at(from, said.seq));
    const second = await ben.client.forward(to, at(from, custom.seq));
    const messageAt = (seq: SequenceId) => cleo.client.messages(to).find((each) => each.seq === seq);
    await until('cleo has them', () => messageAt(second.seq) !== undefined);
    const source = { conversation: from, author: 'ann' };
    expect(messageAt(first.seq)).toMatchObject({
      ...{ from: 'ben', type: 'text', body: 'hello, all', countable: true },
      forwardedFrom: { ...source, seq: said.seq, at: said.at },
    });
    expect(messageAt(first.seq)).not.toHaveProperty('mentions');
    expect(messageAt(first.seq)).not.toHaveProperty('rev');
    expect(messageAt(second.seq)).toMatchObject({
      ...{ type: 'custom', body: Uint8Array.of(1, 0, 255) },
      forwardedFrom: { ...source, seq: custom.seq },
    });
    // Once more: it still names where it was said first.
    const { conversation: further } = await cleo.client.create({ kind: 'group', members: [] });
    const third = await cleo.client.forward(further, at(to, first.seq));
    const own = () => cleo.client.messages(further).find(({ seq }) => seq === third.seq);
    await until('she has it herself', () => own() !== undefined);
    expect(own()).toMatchObject({ from: 'cleo', forwardedFrom: { ...source, seq: said.seq } });

    // What she does not see there nobody takes from there for her.
    await expect(cleo.client.forward(to, at(from, secret.seq))).rejects.toMatchObject({ code: 'not_member' });
    await expect(ben.client.forward(to, at(from, 1 as SequenceId))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(ben.client.forward(to, at(from, 999 as SequenceId))).rejects.toMatchObject({ code: 'not_found' });
    await ann.client.recall(from, secret.seq);
    await expect(ben.client.forward(to, at(from, secret.seq))).rejects.toMatchObject({ code: 'conflict' });
    await ben.client.delete(from, custom.seq);
    await expect(ben.client.forward(to, at(from, custom.seq))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('get the first answer when they are sent once more, also when they are recalled by then (I4)', async () => {
    const conversation = 'again' as ConversationId;
    const ann = await connectAs(cluster.nextSocketUrl(), 'ann', 'raw');
    await ann.request({ t: 'create', kind: 'group', conversation, members: [] });
    const numbered = (n: number) => ({ conversation, n, sentAt: n });
    const sent = await ann.request({ t: 'send', ...numbered(1), type: 'text', body: 'mine' });
    const seq = sent.ok ? sent.value.seq : (0 as SequenceId);
    const forward = { t: 'forward', ...numbered(2), source: { conversation, seq } } as const;
    // What comes right behind waits until it was looked up.
    const [first, next] = await Promise.all([
      ann.request(forward),
      ann.request({ t: 'send', ...numbered(3), type: 'text', body: 'behind it' }),
    ]);
    expect([first.ok && first.value.seq, next.ok && next.value.seq]).toEqual([seq + 1, seq + 2]);
    await ann.request({ t: 'recall', ...numbered(4), seq });
    const retry = await ann.request(forward);
    expect(retry.ok && retry.value).toMatchObject({ seq: seq + 1, duplicate: true });
    ann.close();
  });
});
