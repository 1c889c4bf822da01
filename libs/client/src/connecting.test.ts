import { type ConversationId, type UserId } from '@millrace/kernel';
import { closeCode } from '@millrace/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { settled } from './testing/fake-network.ts';
import { HeldStorage } from './testing/held-storage.ts';
import { ModelServer } from './testing/model-server.ts';
import { liveClient, outcomeOf, testClient } from './testing/test-client.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const room = 'room' as ConversationId;

let server: ModelServer;

beforeEach(() => {
  server = new ModelServer();
  server.createGroup(room, [alice, bob]);
  server.diffuse();
});

describe('connecting', () => {
  test('a connect that hangs is given up after the time-out and tried again', async () => {
    const one = testClient(server, alice);
    one.client.connect().catch(() => undefined);
    await settled();
    await one.time.advance(10_000);
    expect(one.events).toContain('state offline: no connection within 10000 ms');
    await one.heal();
    expect(one.client.state).toBe('live');
  });

  test('a server that does not answer a ping is left for another connection', async () => {
    const one = await liveClient(server, alice);
    for (let ms = 0; ms < 60_000; ms += 1_000) await one.time.advance(1_000);
    expect(one.events.some((event) => event.includes('no word for'))).toBe(true);
    await one.heal();
    expect(one.client.state).toBe('live');
  });

  test('a server that stands still while an answer is due is left within seconds, and the message is sent elsewhere', async () => {
    const one = await liveClient(server, alice);
    const sent = one.client.send(room, 'a');
    for (let ms = 0; ms < 10_000; ms += 500) await one.time.advance(500);
    expect(one.events).toContain('state offline: no word for 3000 ms after a ping');
    await one.heal();
    expect(await sent).toMatchObject({ duplicate: false });
  });

  test('a server that answers pings is given the time that it takes for another answer', async () => {
    const one = await liveClient(server, alice);
    server.answersLate = true;
    const sent = one.client.send(room, 'a');
    for (let ms = 0; ms < 30_000; ms += 500) {
      await one.time.advance(500);
      await one.network.drain();
    }
    expect(one.events.filter((event) => event === 'state connecting')).toHaveLength(1);
    server.answersLate = false;
    server.answerNow();
    await one.heal();
    expect(await sent).toMatchObject({ duplicate: false });
  });

  test('pings go out before the idle limit, and an answered one keeps the connection', async () => {
    const one = await liveClient(server, alice);
    for (let ms = 0; ms < 120_000; ms += 1_000) {
      await one.time.advance(1_000);
      await one.network.drain();
    }
    expect(one.events.filter((event) => event === 'state connecting')).toHaveLength(1);
  });

  test('an expired token is fetched anew, and a token that stays refused ends the client', async () => {
    const tokens: number[] = [];
    const one = await liveClient(server, alice, { token: async () => (tokens.push(1), alice) });
    one.network.close(closeCode.tokenExpired);
    await one.heal();
    expect([one.client.state, tokens.length]).toEqual(['live', 2]);
    for (let count = 0; count < 4; count += 1) {
      for (let tries = 0; tries < 100 && one.network.sockets.size === 0; tries += 1) await one.time.advance(500);
      one.network.close(closeCode.unauthenticated);
      await settled();
    }
    expect(one.client.state).toBe('closed');
  });

  test('a close of the 4300s ends the client: connect() and waiting sends reject, the outbox stays', async () => {
    const one = testClient(server, alice);
    const connected = outcomeOf(one.client.connect());
    const sent = outcomeOf(one.client.send(room, 'a'));
    await settled();
    one.network.close(closeCode.replaced);
    await settled();
    expect(one.client.state).toBe('closed');
    expect(connected.error).toMatchObject({ code: 'closed' });
    expect(sent.error).toMatchObject({ code: 'closed' });
    expect(one.client.outboxSize).toBe(1);
    one.client.connect().catch(() => undefined);
    await one.heal();
    expect(server.conversations.get(room)?.entries.map(({ message }) => message.body)).toContain('a');
  });

  test('a draining server is left within its deadline, and what was asked of it is answered first', async () => {
    const one = await liveClient(server, alice);
    const sent = outcomeOf(one.client.send(room, 'a'));
    await settled();
    one.network.tell({ t: 'drain', deadlineMs: 10_000 });
    await one.network.drain();
    expect(sent.value).toMatchObject({ seq: 2, duplicate: false });
    expect(one.events).toContain('state offline: the server drains');
    await one.heal();
    expect(one.client.state).toBe('live');
  });

  test('a storage of another user is not used', async () => {
    const storage = new HeldStorage();
    const one = await liveClient(server, alice, { storage: storage.open() });
    await one.client.close();
    const other = testClient(server, bob, { storage: storage.open() });
    const connected = outcomeOf(other.client.connect());
    await other.heal();
    expect(connected.error).toMatchObject({ code: 'closed', message: expect.stringContaining('alice') as string });
  });

  test('a request is asked again over a lost connection, and refused ones reject with the server’s error', async () => {
    const one = await liveClient(server, alice);
    const members = outcomeOf(one.client.members(room));
    await settled();
    one.network.cut();
    const nowhere = outcomeOf(one.client.history('nowhere' as ConversationId));
    await one.heal();
    expect(members.value?.members.map(({ user }) => user)).toEqual([alice, bob]);
    expect(nowhere.error).toMatchObject({ code: 'not_member', retry: 'never' });
  });

  test('a request without an answer rejects after its time-out', async () => {
    const one = await liveClient(server, alice, { requestTimeoutMs: 5_000 });
    server.answersLate = true;
    const page = outcomeOf(one.client.history(room));
    await one.network.drain();
    await one.time.advance(5_000);
    expect(page.error).toMatchObject({ code: 'timeout' });
  });
});
