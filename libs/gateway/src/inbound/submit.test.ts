import type { ConversationId, UserId } from '@millrace/kernel';
import { frameError, protocolLimits, type ClientFrame } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { testGateway } from '../testing/test-gateway.ts';

const send = (n: number, conversation = 'tea'): ClientFrame => ({
  t: 'send',
  id: 100 + n,
  conversation: conversation as ConversationId,
  n,
  sentAt: n,
  type: 'text',
  body: 'hello',
});

const opens = (id: number, conversation: string): ClientFrame => ({
  t: 'open',
  id,
  conversation: conversation as ConversationId,
});

const closes = (id: number, conversation: string): ClientFrame => ({ ...opens(id, conversation), t: 'close' }) as never;

describe('conversations that a device opens', () => {
  it('are those whose members the user is among (I11), and a bounded number (I9)', async () => {
    const { connect, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.openers = new Set(['bob' as UserId]);
    peer.says(opens(2, 'tea'));
    await time.settle();
    expect(peer.got('error')).toMatchObject([{ id: 2, code: 'not_member' }]);
    chat.openers = null;
    const { openConversations } = protocolLimits;
    for (let count = 0; count <= openConversations; count += 1) peer.says(opens(100 + count, `c${String(count)}`));
    await time.settle();
    expect(peer.got('ok')).toHaveLength(openConversations);
    expect(peer.got('error').at(-1)).toMatchObject({ id: 100 + openConversations, code: 'limit_reached' });
    // One that is open may be opened again; one that is closed makes room.
    peer.says(opens(3, 'c0'), closes(4, 'c1'), opens(5, 'more'), opens(6, 'too-many'));
    await time.settle();
    expect(
      peer
        .got('ok')
        .slice(openConversations)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([3, 4, 5]);
    expect(peer.got('error').at(-1)).toMatchObject({ id: 6, code: 'limit_reached' });
  });

  it('are closed by a close that follows, though the open is answered later', async () => {
    const { connect, chat, gateway, time } = await testGateway();
    const peer = await connect('ann');
    const shown = (): readonly string[] => [...gateway.sessions.all()].flatMap((session) => [...session.shown.all()]);
    chat.isHolding = true;
    peer.says(opens(2, 'tea'), closes(3, 'tea'), opens(4, 'coffee'));
    chat.answerAll();
    await time.settle();
    expect(peer.got('ok')).toHaveLength(3);
    expect(shown()).toEqual(['coffee']);
    peer.says(opens(5, 'tea'), closes(6, 'tea'), opens(7, 'tea'));
    chat.answerAll();
    await time.settle();
    expect(shown()).toEqual(['coffee', 'tea']);
  });
});

describe('sends behind one that found no room', () => {
  it('are answered at once, do not reach the chat, and go on when it comes again', async () => {
    const { connect, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.sendErrors.set(2, frameError('overloaded', 'a queue is full'));
    peer.says(send(1), send(2));
    await time.settle();
    chat.sendErrors.clear();
    peer.says(send(3), send(4));
    await time.settle();
    expect(peer.got('error')).toMatchObject([
      { id: 102, code: 'overloaded', retry: 'later' },
      { id: 103, code: 'out_of_order', retry: 'in_order', expected: 2 },
      { id: 104, code: 'out_of_order', retry: 'in_order', expected: 2 },
    ]);
    peer.says(send(2), send(3), send(4));
    await time.settle();
    expect(chat.calls.filter((call) => call.startsWith('send')).map((call) => call.split(' ').at(-1))).toEqual([
      '1',
      '2',
      '2',
      '3',
      '4',
    ]);
    expect(peer.got('ack').map(({ n }) => n)).toEqual([1, 2, 3, 4]);
  });

  it('are held back, too, when it was more than may be under way, and only those of its conversation and socket', async () => {
    const { connect, chat, time } = await testGateway({ requestsInFlightMax: 2 });
    const [phone, laptop] = [await connect('ann', 'phone'), await connect('ann', 'laptop')];
    phone.says(send(1));
    await time.settle();
    chat.isHolding = true;
    phone.says(send(2), send(3), send(4));
    chat.isHolding = false;
    chat.answerAll();
    await time.settle();
    phone.says(send(5), send(6, 'other'));
    laptop.says(send(5));
    await time.settle();
    expect(phone.got('error')).toMatchObject([
      { id: 104, code: 'overloaded' },
      { id: 105, code: 'out_of_order', expected: 4 },
    ]);
    expect(laptop.got('error')).toEqual([]);
    expect(chat.calls.filter((call) => call.startsWith('send'))).toHaveLength(5);
  });
});
