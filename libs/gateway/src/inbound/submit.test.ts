import type { ConversationId } from '@millrace/kernel';
import { frameError, type ClientFrame } from '@millrace/protocol';
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
