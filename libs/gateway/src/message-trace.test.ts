import type { ConversationId, UserId } from '@millrace/kernel';
import type { ClientFrame } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { closes, headAt, liveEntries, opens, tea } from './testing/live-entries.ts';
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

  it('is what goes out to all devices that show a conversation, which those are, and who was passed over', async () => {
    const { connect, gateway, time, traced } = await testGateway({ sendBufferBytesMax: 16_384 });
    const [ann, bob] = ['ann', 'bob'] as UserId[] as [UserId, UserId];
    const [phone, bobs] = [await connect('ann'), await connect('bob')];
    gateway.live.entered(tea, [ann, bob], headAt(5));
    for (const peer of [phone, bobs]) peer.says(opens(2));
    await time.settle();
    traced.length = 0;
    gateway.live.live(tea, liveEntries(6));
    gateway.live.live(tea, liveEntries(7, 8));
    await time.settle();
    phone.says(closes(3));
    await time.settle();
    expect(traced.splice(0)).toEqual(['tea 6-8 to live-1, 2 sessions', 'ann/phone listens to live-1 no more']);
    bobs.isReading = false;
    for (let seq = 9; seq <= 24; seq += 1) {
      gateway.live.live(tea, liveEntries(seq, seq, 'x'.repeat(2_000)));
      await time.settle();
    }
    expect(traced[0]).toBe('tea 9-9 to live-1, 1 sessions');
    const over = traced.indexOf('bob/phone was passed over');
    expect(traced.slice(over)).toEqual(['bob/phone was passed over', 'bob/phone listens to live-1 no more']);
  });
});
