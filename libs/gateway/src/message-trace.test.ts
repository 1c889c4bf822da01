import type { ConversationId, UserId } from '@millrace/kernel';
import type { ClientFrame } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { messagePush } from './testing/memory-chat.ts';
import { testGateway } from './testing/test-gateway.ts';

const send = (id: number, n: number): ClientFrame => ({
  t: 'send',
  id,
  conversation: 'tea' as ConversationId,
  n,
  sentAt: n,
  type: 'text',
  body: 'hello',
});

describe('what a gateway notes of messages', () => {
  it('is which session sent one and when it came in, once it is answered, and nothing of one that is refused', async () => {
    const { connect, chat, time, traced, sessions } = await testGateway();
    const peer = await connect('ann');
    chat.isHolding = true;
    await time.advance(40);
    const heardMs = time.monotonicMs();
    peer.says(send(2, 1));
    await time.advance(5);
    expect(traced).toEqual(['ann/phone connected']);
    chat.answerAll();
    await time.settle();
    expect(traced.slice(1)).toEqual([`accepted tea 1 of ann/phone at ${String(heardMs)}`]);
    expect(sessions.size).toBe(1);
  });

  it('is what each device is pushed, or told to sync instead, and nothing once its session is over', async () => {
    const { connect, gateway, time, traced } = await testGateway();
    const ann = 'ann' as UserId;
    const peer = await connect('ann');
    await connect('ann', 'laptop');
    gateway.sessions.push(ann, messagePush(1, 'one'));
    gateway.sessions.push(ann, messagePush(1, 'one'));
    await time.settle();
    peer.hangUp();
    await time.settle();
    gateway.sessions.push(ann, messagePush(2, 'two'));
    gateway.sessions.push(ann, messagePush(5, 'five'));
    await time.settle();
    expect(traced).toEqual([
      'ann/phone connected',
      'ann/laptop connected',
      'ann/phone pushed 0>1',
      'ann/laptop pushed 0>1',
      'ann/phone ended',
      'ann/laptop pushed 1>2',
      'ann/laptop resynced moved',
    ]);
  });
});
