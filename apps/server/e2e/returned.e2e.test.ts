import type { MillraceClient } from '@millrace/client';
import type { SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const BEN = 'ben' as UserId;
const others = Array.from({ length: 4 }, (_, index) => `other-${String(index)}` as UserId);

describe('a user who comes back into a group that shows all of its history', () => {
  const redis = testRedis();
  const devices: MillraceClient[] = [];
  let cluster: MillraceCluster;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, { MILLRACE_READ_ABOVE: '4', MILLRACE_WRITE_BELOW: '4' });
    await cluster.add();
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((client) => client.close()));
    expect(frameCheck.take().problems).toEqual([]);
  });
  afterAll(() => cluster.stop());

  const connect = async (user: string): Promise<Device> => {
    const connected = await device(cluster.nextSocketUrl(), user);
    devices.push(connected.client);
    return connected;
  };

  it.each([
    ['in inboxes', [BEN]],
    ['pulled', [BEN, ...others]],
  ])(
    'is told which seqs came meanwhile, and shows no message as it was before: %s',
    async (_how, members) => {
      const [ann, ben] = [await connect('ann'), await connect('ben')];
      const { conversation } = await ann.client.create({
        ...{ kind: 'group', members, joinPolicy: 'open', historyPolicy: 'all' },
      });
      const heard = (seq: SequenceId) => (): boolean =>
        ben.heard.get(conversation)?.some((message) => message.seq === seq) === true;
      const isIn = (is: boolean): boolean =>
        (ben.client.conversationList().find((each) => each.conversation === conversation)?.member ?? false) === is;
      await until('ben knows it', () => isIn(true));
      await ben.client.openConversation(conversation);
      const { seq: one } = await ann.client.send(conversation, 'one');
      await until('ben has the message', heard(one));
      const { seq: left } = await ben.client.leave(conversation);
      await until('ben has left', () => isIn(false));
      await ann.client.edit(conversation, one, 'One');
      await ann.client.react(conversation, one, '👍');
      const { seq: meanwhile } = await ann.client.send(conversation, 'meanwhile');

      const gaps: string[] = [];
      ben.client.on('gap', ({ after, to }) => gaps.push(`${String(after)} to ${String(to)}`));
      const revised: SequenceId[] = [];
      ben.client.on('revised', ({ seq, message }) => {
        if (message === null) revised.push(seq);
      });
      const { seq: joined } = await ben.client.join(conversation);
      await until('ben is back', heard(joined));
      expect(gaps).toEqual([`${String(left)} to ${String(joined - 1)}`]);
      const { seq: rev } = await ann.client.edit(conversation, one, 'One!');
      await until('ben has heard of the edit', heard(rev));
      expect(ben.client.messages(conversation).map(({ seq }) => seq)[0]).toBe(joined);
      expect(revised).toEqual([one]);
      const { messages } = await ben.client.history(conversation, { direction: 'forward', from: one });
      const [first] = messages;
      expect(first).toMatchObject({ seq: one, body: 'One!', rev, reactions: [{ emoji: '👍', users: ['ann'] }] });
      expect(messages.map(({ seq }) => seq)).toContain(meanwhile);
    },
    60_000,
  );
});
