import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { searchQuestion } from './search-question.ts';
import { HeldStorage } from './testing/held-storage.ts';
import { settled } from './testing/fake-network.ts';
import { ModelServer } from './testing/model-server.ts';
import { liveClient, outcomeOf, testClient, textsOf, type TestClient } from './testing/test-client.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const room = 'room' as ConversationId;

let server: ModelServer;

beforeEach(() => {
  server = new ModelServer();
  server.createGroup(room, [alice, bob]);
  server.diffuse();
});

const storedTexts = (): string[] =>
  (server.conversations.get(room)?.entries ?? [])
    .map(({ message }) => message)
    .filter(({ countable }) => countable)
    .map(({ body }) => String(body));

const live = (user: UserId, options: Parameters<typeof liveClient>[2] = {}): Promise<TestClient> =>
  liveClient(server, user, options);

describe('sending', () => {
  test('into a conversation that the inbox has not told of yet passes over nobody who wrote before, however late it is', async () => {
    const one = await live(alice);
    const made = 'new' as ConversationId;
    const created = outcomeOf(one.client.create({ kind: 'group', conversation: made, members: [bob] }));
    await one.network.drain();
    expect(created.value).toBeDefined();
    server.post(made, bob, 'first');
    const sent = outcomeOf(one.client.send(made, 'second'));
    await settled();
    await one.network.drain();
    expect(sent.value?.seq).toBe(3);
    for (let ms = 0; ms < 5_000; ms += 250) {
      await one.time.advance(250);
      await one.network.drain();
    }
    expect(one.delivered.filter(({ conversation }) => conversation === made)).toEqual([]);
    await one.heal();
    const seqs = one.delivered.filter(({ conversation }) => conversation === made).map(({ message }) => message.seq);
    expect(seqs).toEqual([1, 2, 3]);
  });

  test('messages sent before the first connect go out in order, and each learns its seq', async () => {
    const one = testClient(server, alice);
    const receipts = ['a', 'b', 'c'].map((text) => one.client.send(room, text));
    one.client.connect().catch(() => undefined);
    await one.heal();
    expect(storedTexts()).toEqual(['a', 'b', 'c']);
    expect((await Promise.all(receipts)).map(({ seq, n }) => [seq, n])).toEqual([
      [2, 1],
      [3, 2],
      [4, 3],
    ]);
    expect(textsOf(one, room)).toEqual(['a', 'b', 'c']);
  });

  test('a message that is refused for good leaves the outbox, and those behind it keep their counters (I4)', async () => {
    const one = await live(alice);
    server.refuse = ({ body }) => (body === 'b' ? frameError('forbidden', 'not this one') : null);
    const outcomes = ['a', 'b', 'c', 'd'].map((text) => outcomeOf(one.client.send(room, text)));
    await one.heal();
    expect(storedTexts()).toEqual(['a', 'c', 'd']);
    expect(outcomes.map(({ value }) => value?.n)).toEqual([1, undefined, 3, 4]);
    expect(outcomes[1]?.error).toMatchObject({ code: 'forbidden', retry: 'never' });
    expect(one.events).toContain('refused b: forbidden');
  });

  test('a message that is refused for now is sent again after the time that the server asked for', async () => {
    const one = await live(alice);
    let attempts = 0;
    server.refuse = () => ((attempts += 1) === 1 ? frameError('rate_limited', 'slowly', { retryAfterMs: 900 }) : null);
    const outcome = outcomeOf(one.client.send(room, 'a'));
    await one.network.drain();
    await one.time.advance(899);
    await one.network.drain();
    expect([attempts, outcome.value]).toEqual([1, undefined]);
    await one.time.advance(3_000);
    await one.network.drain();
    expect(storedTexts()).toEqual(['a']);
    expect(outcome.value?.duplicate).toBe(false);
  });

  test('an ack that was lost is asked for again, and the receipt is that of the first attempt (I4)', async () => {
    const one = await live(alice);
    const outcome = outcomeOf(one.client.send(room, 'a'));
    await settled();
    one.network.move('up');
    expect(storedTexts()).toEqual(['a']);
    one.network.cut();
    await one.heal();
    expect(storedTexts()).toEqual(['a']);
    expect(outcome.value).toMatchObject({ seq: 2, n: 1, msgNo: 1, duplicate: true });
    expect(textsOf(one, room)).toEqual(['a']);
  });

  test('no more sends are under way in a conversation than the window allows (I9)', async () => {
    const one = await live(alice, { sendWindow: 5 });
    server.answersLate = true;
    for (let count = 0; count < 20; count += 1) outcomeOf(one.client.send(room, String(count)));
    await one.network.drain();
    expect(storedTexts()).toHaveLength(5);
    server.answersLate = false;
    server.answerNow();
    await one.heal();
    expect(storedTexts()).toHaveLength(20);
  });

  test('a message is not sent before it is stored here (I4)', async () => {
    const storage = new HeldStorage();
    const one = await live(alice, { storage: storage.open() });
    storage.held = true;
    outcomeOf(one.client.send(room, 'a'));
    await one.network.drain();
    expect(storedTexts()).toEqual([]);
    storage.held = false;
    storage.release();
    await one.heal();
    expect(storedTexts()).toEqual(['a']);
  });

  test('a storage that was rolled back cannot pass an old ack off for a new message (I4)', async () => {
    const first = await live(alice);
    const { device } = first.client;
    await Promise.all([first.client.send(room, 'old'), first.heal()]);
    const copy = new Map([['device', JSON.stringify({ v: 1, device, user: alice, sentAt: 0 })]]);
    const second = await live(alice, { storage: { load: async () => copy, set: async () => undefined } });
    await second.time.advance(1_000);
    const outcome = outcomeOf(second.client.send(room, 'new'));
    await second.heal();
    expect(outcome.error).toMatchObject({ code: 'counter_reused' });
    expect(storedTexts()).toEqual(['old']);
  });

  test('a full outbox, a broken text and a timestamp that falls are refused at once', async () => {
    const one = testClient(server, alice, { outboxMax: 2 });
    outcomeOf(one.client.send(room, 'a', { sentAt: 10 }));
    await expect(one.client.send(room, 'b', { sentAt: 9 })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(one.client.send(room, '\ud800')).rejects.toMatchObject({ code: 'bad_request' });
    outcomeOf(one.client.send(room, 'c', { sentAt: 10 }));
    await settled();
    await expect(one.client.send(room, 'd')).rejects.toMatchObject({ code: 'outbox_full' });
  });
});

describe('receiving', () => {
  test('three devices, one of them away for a thousand messages, end the same (I3)', async () => {
    const devices = [await live(alice), await live(alice), await live(alice)] as const;
    devices[2].network.up = false;
    devices[2].network.cut();
    for (let count = 0; count < 1_000; count += 1)
      server.post(room, count % 3 === 0 ? alice : bob, `m${String(count)}`);
    devices[2].network.up = true;
    for (const one of devices) await one.heal();
    const views = devices.map(({ client }) => [client.conversationList(), client.messages(room)]);
    expect(views[0]?.[1]).toHaveLength(1_000);
    expect(views[1]).toEqual(views[0]);
    expect(views[2]).toEqual(views[0]);
    expect(textsOf(devices[2], room)).toEqual(storedTexts());
  });

  test('reading on one device clears the unread of the other', async () => {
    const [one, other] = [await live(alice), await live(alice)];
    for (let count = 0; count < 3; count += 1) server.post(room, bob, `m${String(count)}`);
    await one.heal();
    await other.heal();
    expect([one.client.unread(room), other.client.totalUnread()]).toEqual([3, 3]);
    outcomeOf(one.client.read(room));
    await one.heal();
    await other.heal();
    expect([one.client.unread(room), other.client.totalUnread()]).toEqual([0, 0]);
  });

  test('own messages after the read position do not count as unread, whichever device sent them', async () => {
    const [one, other] = [await live(alice), await live(alice)];
    server.post(room, bob, 'hello');
    outcomeOf(one.client.send(room, 'hi'));
    await one.heal();
    await other.heal();
    expect([one.client.unread(room), other.client.unread(room)]).toEqual([1, 1]);
    expect(one.client.conversationList()).toEqual([server.summary(alice, room)]);
  });

  test('a device that is too far behind tells the gap, keeps the contiguous tail, and pages the rest', async () => {
    const one = await live(alice);
    server.post(room, bob, 'seen');
    await one.heal();
    one.network.up = false;
    one.network.cut();
    for (let count = 0; count < 10; count += 1) server.post(room, bob, `m${String(count)}`);
    server.diffuse();
    server.trimInbox(alice, 2);
    one.network.up = true;
    await one.heal();
    expect(one.events).toContain('gap room 2..12');
    expect(one.client.unread(room)).toBe(11);
    server.post(room, bob, 'after');
    await one.heal();
    expect(one.client.messages(room).map(({ body }) => body)).toEqual(['after']);
    const page = outcomeOf(one.client.history(room, { from: sequenceId(12), limit: 10 }));
    await one.heal();
    expect(page.value?.messages.map(({ seq }) => Number(seq))).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(textsOf(one, room)).toEqual(['seen', 'after']);
  });

  test('a search asks in the words of the protocol, and is answered by messages', async () => {
    const one = await live(alice);
    const sent = outcomeOf(one.client.send(room, 'the kettle'));
    await one.heal();
    expect(sent.error).toBeUndefined();
    const found = outcomeOf(
      one.client.search({
        text: 'kettle',
        conversations: [room],
        sender: bob,
        type: 'text',
        from: new Date(5),
        to: 9,
        limit: 3,
      }),
    );
    await one.heal();
    expect(found.value).toMatchObject({
      complete: true,
      hits: [{ conversation: room, places: [{ start: 4, end: 10 }] }],
    });
    expect(searchQuestion({ sender: [alice, bob], type: ['image'], from: 5, to: new Date(9), mentions: bob })).toEqual({
      ...{ t: 'search', senders: [alice, bob], types: ['image'], since: 5, until: 9, mentioning: bob },
    });
  });

  test('history that the server lost is dropped, told, and sends go on behind what it remembers', async () => {
    const one = await live(alice);
    outcomeOf(one.client.send(room, 'kept'));
    await one.heal();
    outcomeOf(one.client.send(room, 'lost'));
    server.post(room, bob, 'lost, too');
    await one.heal();
    server.lose(room, 2);
    server.post(room, bob, 'new');
    await one.heal();
    expect(one.events.filter((event) => event.startsWith('regressed'))).toEqual(['regressed room 2']);
    const outcome = outcomeOf(one.client.send(room, 'again'));
    await one.heal();
    expect(outcome.value).toMatchObject({ gen: generation(2), seq: 4, n: 3 });
    expect(storedTexts()).toEqual(['kept', 'new', 'again']);
    expect(one.client.messages(room).every(({ gen, seq }) => gen === 2 || seq <= 2)).toBe(true);
    expect(one.client.conversationList()).toEqual([server.summary(alice, room)]);
  });

  test('history that one conversation lost alone is dropped and told, though nobody writes there any more', async () => {
    const one = await live(alice);
    for (const text of ['kept', 'lost']) {
      outcomeOf(one.client.send(room, text));
      await one.heal();
    }
    server.post(room, bob, 'lost, too');
    await one.heal();
    outcomeOf(one.client.read(room));
    await one.heal();
    server.lose(room, 2, true);
    await one.heal();
    expect(one.events.filter((event) => event.startsWith('regressed'))).toEqual(['regressed room 2']);
    expect(textsOf(one, room)).toEqual(['kept', 'lost', 'lost, too']);
    expect(one.client.messages(room).map(({ body }) => body)).toEqual(['kept']);
    expect(one.client.conversationList()).toEqual([server.summary(alice, room)]);
  });

  test('a snapshot that is older than what the device was acknowledged takes nothing away', async () => {
    const one = await live(alice);
    server.post(room, bob, 'before');
    await one.heal();
    outcomeOf(one.client.send(room, 'mine'));
    await one.network.drain();
    // Acknowledged, and not in the inbox yet.
    server.breakInbox(alice, room);
    for (let round = 0; round < 5; round += 1) {
      await one.network.drain();
      await one.time.advance(100);
    }
    expect(one.client.messages(room).map(({ body }) => body)).toEqual(expect.arrayContaining(['before', 'mine']));
    await one.heal();
    expect(textsOf(one, room)).toEqual(['before', 'mine']);
    expect(one.events.filter((event) => event.startsWith('regressed'))).toEqual([]);
  });

  test('a read position that the server has lost is told to it again', async () => {
    const one = await live(alice);
    server.post(room, bob, 'read');
    await one.heal();
    outcomeOf(one.client.read(room));
    await one.heal();
    expect(server.summary(alice, room).unread).toBe(0);
    server.forgetReading(alice, room);
    await one.heal();
    expect(server.summary(alice, room).unread).toBe(0);
    expect(one.client.conversationList()).toEqual([server.summary(alice, room)]);
  });

  test('a conversation that one is invited to appears with its title, and without unread for what came before', async () => {
    const den = 'den' as ConversationId;
    const one = await live(alice);
    server.createGroup(den, [bob]);
    server.post(den, bob, 'before');
    server.addMember(den, alice);
    await one.heal();
    server.post(den, bob, 'after');
    await one.heal();
    const summary = one.client.conversationList().find(({ conversation }) => conversation === den);
    expect(summary).toEqual(server.summary(alice, den));
    expect(summary).toMatchObject({ title: 'about den', unread: 1, member: true });
  });

  test('a push that never came is found by the next one', async () => {
    const one = await live(alice);
    const [session] = [...server.sessions];
    server.post(room, bob, 'missed');
    if (session !== undefined) server.sessions.delete(session);
    server.diffuse();
    if (session !== undefined) server.sessions.add(Object.assign(session, { told: session.told + 1 }));
    server.post(room, bob, 'next');
    await one.heal();
    expect(textsOf(one, room)).toEqual(['missed', 'next']);
  });

  test('pushes that overtake the answer to a sync are kept, and applied behind it', async () => {
    const one = await live(alice);
    one.network.cut();
    server.post(room, bob, 'missed');
    server.diffuse();
    server.answersLate = true;
    await one.time.advance(15_000);
    await one.network.drain();
    server.post(room, bob, 'pushed');
    server.diffuse();
    await one.network.drain();
    expect([one.client.state, textsOf(one, room)]).toEqual(['syncing', []]);
    server.answersLate = false;
    server.answerNow();
    await one.network.drain();
    expect([one.client.state, textsOf(one, room)]).toEqual(['live', ['missed', 'pushed']]);
  });

  test('a handler that throws neither stops the others nor the client', async () => {
    const errors: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => errors.push(error));
    try {
      const one = testClient(server, alice);
      one.client.on('state', () => {
        throw new Error('of the application');
      });
      one.client.connect().catch(() => undefined);
      await one.heal();
      expect(one.client.state).toBe('live');
      expect(errors.length).toBeGreaterThan(0);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });
});
