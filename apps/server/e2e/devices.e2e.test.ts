import { memoryStorage } from '@millrace/client';
import { directConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';
import { until } from './support/until.ts';

const ALICE = 'alice' as UserId;
const BOB = 'bob' as UserId;

describe('devices of real users against the real server', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  const open: Device[] = [];
  const connect = async (user: string, options?: Parameters<typeof device>[2]): Promise<Device> => {
    const connected = await device(millrace.socketUrl, user, options);
    open.push(connected);
    return connected;
  };

  beforeAll(async () => {
    millrace = await startMillrace(redis.url);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
  });
  afterAll(async () => {
    expect(frameCheck.take().checked).toBeGreaterThan(100);
    await millrace.stop();
  });

  it('three devices of one user, one of them offline through 1,000 messages, end with the same conversations, unread counts and order', async () => {
    const [one, two] = [await connect('alice', { encoding: 'json' }), await connect('alice')];
    const storage = memoryStorage();
    const three = await connect('alice', { storage });
    const bob = await connect('bob');
    const direct = (await bob.client.createDirect(ALICE)).conversation;
    const group = (await bob.client.create({ kind: 'group', title: 'the group', members: [ALICE] })).conversation;
    await until('all devices know both conversations', () =>
      [one, two, three].every(({ client }) => client.conversationList().length === 2),
    );
    await three.client.close();

    const sends: Promise<unknown>[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      const [from, conversation] = [index % 10 === 0 ? one : bob, index % 2 === 0 ? direct : group];
      sends.push(from.client.send(conversation, `message ${String(index)}`));
    }
    await Promise.all(sends);
    const again = await device(millrace.socketUrl, 'alice', { storage });
    open.push(again);

    const devices = [one, two, again];
    const view = ({ client }: Device): unknown =>
      client
        .conversationList()
        .map(({ conversation, msgNo, readSeq, readMsgNo, own, unread, seq, gen, title, member }) => ({
          conversation,
          msgNo,
          readSeq,
          readMsgNo,
          own,
          unread,
          seq,
          gen,
          title,
          member,
          messages: client.messages(conversation).map((message) => [message.seq, message.from, message.body]),
        }))
        .sort((a, b) => (a.conversation < b.conversation ? -1 : 1));
    await until('every device has every message', () =>
      devices.every(({ client }) => client.conversationList().reduce((sum, { msgNo }) => sum + msgNo, 0) === 1_000),
    );
    await until('the devices agree', () => new Set(devices.map((each) => JSON.stringify(view(each)))).size === 1);
    expect(one.client.unread(direct) + one.client.unread(group)).toBe(900);
    for (const each of [one, two]) {
      for (const conversation of [direct, group]) {
        const seqs = (each.heard.get(conversation) ?? []).map(({ seq }) => Number(seq));
        expect(seqs).toEqual(Array.from({ length: 501 }, (_, index) => index + 1));
      }
    }

    await two.client.read(direct);
    await two.client.read(group, 100 as SequenceId);
    await until('reading on one clears the unread of the others', () =>
      devices.every(({ client }) => client.unread(direct) === 0),
    );
    await until(
      'a read position in the middle leaves the same rest everywhere',
      () => new Set(devices.map(({ client }) => client.unread(group))).size === 1,
    );
    const bodies = one.client.messages(group).filter(({ seq, from }) => seq > 100 && from !== ALICE);
    expect(one.client.unread(group)).toBe(bodies.filter(({ countable }) => countable).length);
  });

  it('(I4) a retry of the same client message id returns the first seq, also after a restart of the server', async () => {
    const conversation = directConversationId(ALICE, 'carol' as UserId);
    const before = await connectAs(millrace.socketUrl, 'carol', 'd-retry');
    await before.request({ t: 'create', kind: 'direct', members: [ALICE] });
    const send = { t: 'send', conversation, n: 1, sentAt: 1, type: 'text', body: 'once' } as const;
    const first = await before.request(send);
    const retried = await before.request(send);
    before.close();
    await millrace.restart();
    const after = await connectAs(millrace.socketUrl, 'carol', 'd-retry');
    const afterRestart = await after.request(send);
    const next = await after.request({ ...send, n: 2, sentAt: 2, body: 'twice' });
    after.close();
    expect(first.ok && first.value).toMatchObject({ seq: 2, duplicate: false });
    expect(retried.ok && retried.value).toMatchObject({ seq: 2, duplicate: true });
    expect(afterRestart.ok && afterRestart.value).toMatchObject({ seq: 2, duplicate: true });
    expect(next.ok && next.value).toMatchObject({ seq: 3, duplicate: false });
  });

  it('a channel is written by its owner and admins, and read by all', async () => {
    const [alice, bob] = [await connect('alice'), await connect('bob')];
    const { conversation } = await alice.client.create({ kind: 'channel', title: 'news', members: [BOB] });
    await expect(bob.client.send(conversation, 'may I?')).rejects.toMatchObject({ code: 'forbidden' });
    await alice.client.send(conversation, 'extra, extra');
    await until('the reader has it', () => bob.heard.get(conversation)?.at(-1)?.body === 'extra, extra');
    await alice.client.setRole(conversation, BOB, 'admin');
    await bob.client.send(conversation, 'thank you');
    await until('the admin is heard', () => alice.heard.get(conversation)?.at(-1)?.body === 'thank you');
  });

  it('(I7) who joins later sees what the policy lets them see, and who left sees nothing new', async () => {
    const [alice, bob, dave] = [await connect('alice'), await connect('bob'), await connect('dave')];
    const { conversation } = await alice.client.create({
      kind: 'group',
      joinPolicy: 'open',
      historyPolicy: 'join',
      members: [BOB],
    });
    await alice.client.send(conversation, 'before');
    await dave.client.join(conversation);
    await alice.client.send(conversation, 'while');
    await until('the newcomer hears it', () => dave.heard.get(conversation)?.at(-1)?.body === 'while');
    await dave.client.leave(conversation);
    await alice.client.send(conversation, 'after');
    await until('the others hear it', () => bob.heard.get(conversation)?.at(-1)?.body === 'after');
    const page = await dave.client.history(conversation, { direction: 'forward' });
    expect(
      page.messages.map(({ body, type }) =>
        type === 'control' ? (JSON.parse(String(body)) as { control: string }).control : body,
      ),
    ).toEqual(['joined', 'while', 'left']);
    expect(dave.heard.get(conversation)?.some(({ body }) => body === 'before' || body === 'after')).toBe(false);
    await expect(dave.client.send(conversation, 'still here?')).rejects.toMatchObject({ code: 'not_member' });
  });

  it('(I11) a stranger can neither read, write, list nor change a conversation', async () => {
    const [alice, eve] = [await connect('alice'), await connect('eve')];
    const { conversation } = await alice.client.create({ kind: 'group', members: [BOB] });
    await alice.client.send(conversation, 'secret');
    const attempts = [
      () => eve.client.history(conversation),
      () => eve.client.send(conversation, 'hello'),
      () => eve.client.members(conversation),
      () => eve.client.join(conversation),
      () => eve.client.invite(conversation, ['eve' as UserId]),
      () => eve.client.kick(conversation, [ALICE]),
      () => eve.client.setRole(conversation, 'eve' as UserId, 'owner'),
      () => eve.client.read(conversation, 2 as SequenceId),
      () => eve.client.delivered(conversation, 2 as SequenceId),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        code: expect.stringMatching(/^(not_member|forbidden)$/) as string,
      });
    }
    expect(eve.heard.get(conversation)).toBeUndefined();
  });
});
