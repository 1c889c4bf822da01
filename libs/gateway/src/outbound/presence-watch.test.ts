import type { UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { testGateway } from '../testing/test-gateway.ts';

const user = (name: string): UserId => name as UserId;
const many = (prefix: string, count: number): UserId[] =>
  Array.from({ length: count }, (_, index) => user(`${prefix}-${String(index)}`));

describe('sessions that watch who is online', () => {
  it('are told of whom they watch, in one notice, and of nobody else', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const [ann, bob] = [await connect('ann'), await connect('bob')];
    ann.says({ t: 'subscribePresence', id: 2, users: [user('cat'), user('dan'), user('cat')] });
    bob.says({ t: 'subscribePresence', id: 2, users: [user('dan')] });
    await time.settle();
    expect(chat.calls.filter((call) => call.startsWith('watch'))).toEqual(['watch cat', 'watch dan']);
    const states = ['cat', 'dan', 'eve'].map((name) => ({ user: user(name), online: name !== 'dan' }));
    gateway.sessions.presence(states);
    await time.settle();
    expect(ann.got('presence')).toEqual([{ t: 'presence', users: states.slice(0, 2) }]);
    expect(bob.got('presence')).toEqual([{ t: 'presence', users: states.slice(1, 2) }]);
    // Who comes later is told what is known, behind the answer.
    const late = await connect('eve');
    late.says({ t: 'subscribePresence', id: 2, users: [user('cat'), user('new')] });
    await time.settle();
    expect(late.frames.slice(1)).toEqual([
      { t: 'ok', id: 2 },
      { t: 'presence', users: states.slice(0, 1) },
    ]);
  });

  it('end that one by one, or with the session, and the last one ends it for the node', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const [ann, bob] = [await connect('ann'), await connect('bob')];
    const users = [user('cat'), user('dan')];
    for (const peer of [ann, bob]) peer.says({ t: 'subscribePresence', id: 2, users });
    await time.settle();
    ann.says({ t: 'unsubscribePresence', id: 3, users: [user('cat'), user('nobody')] });
    await time.settle();
    gateway.sessions.presence([{ user: user('cat'), online: true }]);
    await time.settle();
    expect([ann.got('presence').length, bob.got('presence').length]).toEqual([0, 1]);
    bob.hangUp();
    await time.settle();
    expect(chat.calls.filter((call) => call.startsWith('unwatch'))).toEqual(['unwatch cat']);
    ann.hangUp();
    await time.settle();
    expect(chat.calls.filter((call) => call.startsWith('unwatch'))).toEqual(['unwatch cat', 'unwatch dan']);
    expect(gateway.sessions.presenceWatch.size).toBe(0);
  });

  it('are refused whom they may not watch, and then none of them is watched (I11)', async () => {
    const { connect, chat, time } = await testGateway();
    const ann = await connect('ann');
    ann.says({ t: 'subscribePresence', id: 2, users: [user('cat'), user('nobody')] });
    await time.settle();
    expect(ann.got('error')).toMatchObject([{ id: 2, code: 'forbidden' }]);
    expect(chat.calls.filter((call) => call.startsWith('watch'))).toEqual([]);
  });

  it('watch a bounded number, and ask for one lot at a time (I9)', async () => {
    const { connect, chat, time } = await testGateway();
    const ann = await connect('ann');
    chat.isHolding = true;
    ann.says({ t: 'subscribePresence', id: 2, users: many('a', 150) });
    ann.says({ t: 'subscribePresence', id: 3, users: many('b', 1) });
    await time.settle();
    expect(ann.got('error')).toMatchObject([{ id: 3, code: 'overloaded', retry: 'later' }]);
    chat.isHolding = false;
    chat.answerAll();
    await time.settle();
    ann.says({ t: 'subscribePresence', id: 4, users: many('b', 51) });
    ann.says({ t: 'subscribePresence', id: 5, users: [...many('a', 150), ...many('b', 50)] });
    await time.settle();
    expect(ann.got('error')).toMatchObject([{ id: 3 }, { id: 4, code: 'limit_reached' }]);
    expect(ann.got('ok').map(({ id }) => id)).toEqual([2, 5]);
  });

  it('that were closed while they were looked at watch nobody', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const ann = await connect('ann');
    chat.isHolding = true;
    ann.says({ t: 'subscribePresence', id: 2, users: [user('cat')] });
    ann.hangUp();
    await time.settle();
    chat.answerAll();
    await time.settle();
    expect(gateway.sessions.presenceWatch.size).toBe(0);
  });

  it('that do not read are told all of it when they do', async () => {
    const { connect, gateway, time } = await testGateway({ sendBufferBytesMax: 16_384, idleMs: 3_600_000 });
    const ann = await connect('ann');
    const users = many('u', 100);
    ann.says({ t: 'subscribePresence', id: 2, users });
    await time.settle();
    ann.isReading = false;
    for (let turn = 0; turn < 40; turn += 1) {
      gateway.sessions.presence(users.map((each) => ({ user: each, online: turn % 2 === 0 })));
      await time.settle();
    }
    expect(ann.bufferedBytes()).toBeLessThan(16_384 / 2);
    ann.resume();
    await time.advance(2_000);
    const last = ann.got('presence').at(-1);
    expect(last?.users.map(({ online }) => online)).toEqual(users.map(() => false));
  });
});
