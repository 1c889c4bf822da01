import type { ConversationId } from '@millrace/kernel';
import { closeCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { connectFrame, testGateway } from '../testing/test-gateway.ts';

const users = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `user-${String(at)}`);
const callsOf = (calls: readonly string[], what: string): readonly string[] =>
  calls.filter((call) => call.startsWith(`${what} `)).map((call) => call.slice(what.length + 1));

describe('when many devices come back at once', () => {
  it('so many sessions are opened at a time, in the order in which they asked', async () => {
    const { engine, chat, time } = await testGateway({ loginsAtOnce: 2 });
    chat.isHolding = true;
    const peers = users(5).map((user) => {
      const peer = engine.open();
      peer.says(connectFrame(user));
      return peer;
    });
    for (const asked of [2, 4, 5]) {
      await time.settle();
      expect(callsOf(chat.calls, 'attach')).toEqual(users(asked));
      chat.answerAll();
    }
    await time.settle();
    expect(peers.map((peer) => peer.got('connected').length)).toEqual([1, 1, 1, 1, 1]);
  });

  it('each upgrade and each message comes behind what was put off for too long', async () => {
    const { engine, chat, time } = await testGateway();
    /** What had been asked of the chat by then. */
    const caughtUp: number[] = [];
    Object.assign(time, { catchUp: () => caughtUp.push(chat.calls.length) });
    const peer = engine.open();
    expect(caughtUp).toEqual([0]);
    peer.says(connectFrame('ann'));
    expect(caughtUp).toEqual([0, 0]);
    await time.settle();
    expect(chat.calls).toEqual(['attach ann']);
    peer.says({ t: 'ping', id: 2 });
    expect(caughtUp).toEqual([0, 0, 1]);
  });

  it('one that waits for its turn is not late, and one whose turn takes too long is', async () => {
    const handshakeMs = 1_000;
    const { engine, chat, time } = await testGateway({ loginsAtOnce: 1, handshakeMs });
    chat.isHolding = true;
    const peers = users(10).map((user) => {
      const peer = engine.open();
      peer.says(connectFrame(user));
      return peer;
    });
    // Each holds its place for a quarter of a second and is not answered: the next one goes on.
    while (callsOf(chat.calls, 'attach').length < peers.length) await time.advance(50);
    expect(peers[0]?.closedWith?.code).toBe(closeCode.unavailable);
    expect(peers[9]?.closedWith).toBe(null);
    chat.answerAll();
    await time.settle();
    expect(peers[9]?.got('connected')).toHaveLength(1);
  });

  it('the place of one that went while it waited is nobody’s', async () => {
    const { engine, chat, time } = await testGateway({ loginsAtOnce: 1 });
    chat.isHolding = true;
    const [first, second, third] = users(3).map((user) => {
      const peer = engine.open();
      peer.says(connectFrame(user));
      return peer;
    });
    await time.settle();
    second?.hangUp();
    chat.answerAll();
    await time.settle();
    chat.answerAll();
    await time.settle();
    expect(callsOf(chat.calls, 'attach')).toEqual(['user-0', 'user-2']);
    for (const peer of [first, third]) expect(peer?.got('connected')).toHaveLength(1);
  });

  it('sends of others go on while syncs wait for their turn', async () => {
    const { connect, chat, time } = await testGateway({ syncsAtOnce: 1 });
    const peers = await Promise.all(users(3).map((user) => connect(user)));
    const writer = await connect('ann');
    chat.isHolding = true;
    for (const peer of peers) peer.says({ t: 'sync', id: 2 });
    const conversation = 'tea' as ConversationId;
    writer.says({ t: 'send', id: 2, conversation, n: 1, sentAt: 1, type: 'text', body: 'hello' });
    await time.settle();
    expect(callsOf(chat.calls, 'sync')).toEqual(['user-0']);
    expect(callsOf(chat.calls, 'send')).toHaveLength(1);
    for (let turn = 0; turn < 3; turn += 1) {
      chat.answerAll();
      await time.settle();
    }
    expect(callsOf(chat.calls, 'sync')).toEqual(users(3));
    expect(peers.map((peer) => peer.got('synced').length)).toEqual([1, 1, 1]);
    expect(writer.got('ack')).toHaveLength(1);
  });

  it('searches are answered some at a time, and a user asks so many a second, over all sessions', async () => {
    const { connect, chat, time } = await testGateway({
      searchesAtOnce: 1,
      searchesPerUser: { perSecond: 1, burst: 2 },
    });
    const [phone, laptop, bob] = [await connect('ann'), await connect('ann', 'laptop'), await connect('bob')];
    chat.isHolding = true;
    phone.says({ t: 'search', id: 2, text: 'one' });
    laptop.says({ t: 'search', id: 3, text: 'two' });
    phone.says({ t: 'search', id: 4, text: 'three' });
    bob.says({ t: 'search', id: 2, text: 'four' });
    await time.settle();
    expect(phone.got('error')).toMatchObject([{ id: 4, code: 'rate_limited', retry: 'later', retryAfterMs: 1_000 }]);
    expect(callsOf(chat.calls, 'search')).toEqual(['ann one']);
    for (let turn = 0; turn < 3; turn += 1) {
      chat.answerAll();
      await time.settle();
    }
    expect(callsOf(chat.calls, 'search')).toEqual(['ann one', 'ann two', 'bob four']);
    expect(phone.got('found')).toMatchObject([{ id: 2, hits: [], next: null, complete: true }]);
    expect([laptop.got('found').length, bob.got('found').length]).toEqual([1, 1]);
  });
});
