import type { DeviceId, UserId } from '@millrace/kernel';
import { generation, sequenceId } from '@millrace/kernel';
import { closeCode, WireEntry, type Receipt } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { messagePush } from '../testing/memory-chat.ts';
import type { MemoryPeer } from '../testing/memory-engine.ts';
import { testGateway } from '../testing/test-gateway.ts';

const ann = 'ann' as UserId;
const phone = { user: ann, device: 'phone' as DeviceId };

/** `prev>seq` of every push that came, with its texts. */
const pushes = (peer: MemoryPeer): string[] =>
  peer.got('push').map(({ prev, seq, items }) => {
    const texts = items.flatMap((item) => ('messages' in item ? item.messages.map(({ body }) => String(body)) : []));
    return [`${String(prev)}>${String(seq)}`, ...texts].join(' ');
  });

const receipt = { conversation: 'tea', user: 'bob', readSeq: 1, deliveredSeq: 1 } as unknown as Omit<Receipt, 't'>;

describe('pushes to a session', () => {
  it('go on from where the device was told that its inbox stands (I3)', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    chat.inboxes.set(ann, 4);
    const peer = await connect('ann', 'phone', 'binary');
    gateway.sessions.push(ann, messagePush(4, 'known'));
    gateway.sessions.push(ann, messagePush(5, 'five'));
    gateway.sessions.push(ann, messagePush(6, 'six'));
    gateway.sessions.push(ann, messagePush(6, 'six'));
    await time.settle();
    expect(pushes(peer)).toEqual(['4>5 five', '5>6 six']);
    expect(peer.messages).toBe(2);
  });

  it('that come while the device connects are kept until it is known where the inbox stood', async () => {
    const { gateway, chat, time, engine } = await testGateway();
    chat.inboxes.set(ann, 4);
    chat.isHolding = true;
    const peer = engine.open();
    peer.says({ t: 'connect', id: 1, token: 'ann', device: phone.device });
    await time.settle();
    gateway.sessions.push(ann, messagePush(4, 'four'));
    gateway.sessions.push(ann, messagePush(5, 'five'));
    chat.answerAll();
    await time.settle();
    expect(peer.frames.map(({ t }) => t)).toEqual(['connected', 'push']);
    expect(pushes(peer)).toEqual(['4>5 five']);
  });

  it('leave out what this very device sent, and tell of the position later', async () => {
    const { connect, gateway, time } = await testGateway();
    const peer = await connect('ann', 'phone');
    const laptop = await connect('ann', 'laptop');
    gateway.sessions.push(ann, messagePush(1, 'mine', phone));
    gateway.sessions.push(ann, messagePush(2, 'mine too', phone));
    gateway.sessions.push(ann, messagePush(3, 'from bob'));
    gateway.sessions.push(ann, messagePush(4, 'mine again', phone));
    await time.settle();
    expect(pushes(peer)).toEqual(['0>3 from bob']);
    expect(pushes(laptop)).toEqual(['0>1 mine', '1>2 mine too', '2>3 from bob', '3>4 mine again']);
    await time.advance(1_500);
    expect(pushes(peer)).toEqual(['0>3 from bob', '3>4']);
    await time.advance(5_000);
    expect(pushes(peer)).toHaveLength(2);
  });

  it('with a gap before them become one resync, until the device has synced (I9)', async () => {
    const { connect, gateway, chat, time, observed } = await testGateway();
    const peer = await connect('ann');
    gateway.sessions.push(ann, messagePush(3, 'three'));
    gateway.sessions.push(ann, messagePush(4, 'four'));
    gateway.sessions.resync(ann, 'moved');
    await time.settle();
    expect(peer.frames.slice(1)).toEqual([{ t: 'resync', reason: 'moved' }]);
    chat.inboxes.set(ann, 4);
    peer.says({ t: 'sync', id: 2 });
    await time.settle();
    gateway.sessions.push(ann, messagePush(5, 'five'));
    await time.settle();
    expect(peer.frames.slice(2).map(({ t }) => t)).toEqual(['synced', 'push']);
    expect(pushes(peer)).toEqual(['4>5 five']);
    expect(observed).toEqual(['resync moved']);
  });

  it('of a newer generation become a resync', async () => {
    const { connect, gateway, time } = await testGateway();
    const peer = await connect('ann');
    gateway.sessions.push(ann, messagePush(1, 'one', undefined, 2));
    await time.settle();
    expect(peer.frames.slice(1)).toEqual([{ t: 'resync', reason: 'regressed' }]);
  });

  it('during a sync wait for its answer, and only what it did not cover follows (I3)', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.isHolding = true;
    peer.says({ t: 'sync', id: 2 });
    chat.syncAnswer = () => chat.synced(2);
    peer.says({ t: 'sync', id: 3 });
    for (let seq = 1; seq <= 4; seq += 1) gateway.sessions.push(ann, messagePush(seq, `m${String(seq)}`));
    await time.settle();
    expect(peer.frames).toHaveLength(1);
    chat.answerAll();
    await time.settle();
    expect(peer.frames.slice(1).map(({ t }) => t)).toEqual(['synced', 'synced', 'push', 'push']);
    expect(pushes(peer)).toEqual(['2>3 m3', '3>4 m4']);
  });

  it('are of no use to a device that has more to fetch, and go on when it has fetched all', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.syncAnswer = () => chat.synced(1, true);
    peer.says({ t: 'sync', id: 2 });
    await time.settle();
    gateway.sessions.push(ann, messagePush(2, 'two'));
    await time.settle();
    expect(pushes(peer)).toEqual([]);
    expect(peer.got('resync')).toEqual([]);
    chat.syncAnswer = () => chat.synced(2);
    peer.says({ t: 'sync', id: 3 });
    await time.settle();
    gateway.sessions.push(ann, messagePush(3, 'three'));
    await time.settle();
    expect(pushes(peer)).toEqual(['2>3 three']);
  });

  it('go on after a sync that was refused, from where the device stands', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.syncAnswer = () => ({ ok: false, error: { code: 'unavailable', message: 'no store', retry: 'later' } });
    chat.isHolding = true;
    peer.says({ t: 'sync', id: 2 });
    gateway.sessions.push(ann, messagePush(1, 'one'));
    chat.answerAll();
    await time.settle();
    expect(peer.frames.slice(1).map(({ t }) => t)).toEqual(['error', 'push']);
    expect(pushes(peer)).toEqual(['0>1 one']);
  });

  it('that are too many to be held during a sync become one more resync (I9)', async () => {
    const { connect, gateway, chat, time } = await testGateway();
    const peer = await connect('ann');
    chat.isHolding = true;
    peer.says({ t: 'sync', id: 2 });
    for (let seq = 1; seq <= 3_000; seq += 1) gateway.sessions.push(ann, messagePush(seq, 'm'));
    chat.answerAll();
    await time.settle();
    expect(peer.frames.slice(1)).toMatchObject([{ t: 'synced' }, { t: 'resync', reason: 'slow' }]);
  });
});

describe('a device that does not read (I9)', () => {
  const settings = { sendBufferBytesMax: 16_384, slowMsMax: 5_000, idleMs: 3_600_000 };
  const big = 'x'.repeat(3_000);

  it('gets exactly one resync once it reads again, and no push between that and its sync', async () => {
    const { connect, gateway, chat, time } = await testGateway(settings);
    const peer = await connect('ann');
    peer.isReading = false;
    for (let seq = 1; seq <= 50; seq += 1) {
      gateway.sessions.push(ann, messagePush(seq, big));
      await time.settle();
    }
    expect(peer.bufferedBytes()).toBeLessThan(16_384);
    gateway.sessions.receipt([ann], receipt);
    gateway.sessions.typing([ann], receipt);
    peer.resume();
    await time.settle();
    const seqs = peer.got('push').map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => index + 1));
    expect(seqs.length).toBeGreaterThan(1);
    expect(peer.got('resync')).toEqual([{ t: 'resync', reason: 'slow' }]);
    expect(peer.frames.at(-1)?.t).toBe('resync');
    gateway.sessions.push(ann, messagePush(51, 'small'));
    gateway.sessions.receipt([ann], receipt);
    await time.settle();
    expect(peer.frames.at(-1)?.t).toBe('resync');
    chat.inboxes.set(ann, 51);
    peer.says({ t: 'sync', id: 2 });
    await time.settle();
    gateway.sessions.push(ann, messagePush(52, 'live'));
    gateway.sessions.receipt([ann], receipt);
    await time.settle();
    expect(peer.frames.slice(-3).map(({ t }) => t)).toEqual(['synced', 'push', 'receipt']);
    expect(peer.closedWith).toBe(null);
  });

  it('is closed when it stays so for too long', async () => {
    const { connect, gateway, time, observed } = await testGateway(settings);
    const peer = await connect('ann');
    peer.isReading = false;
    for (let seq = 1; seq <= 5; seq += 1) {
      gateway.sessions.push(ann, messagePush(seq, big));
      await time.settle();
    }
    await time.advance(4_000);
    expect(peer.closedWith).toBe(null);
    await time.advance(3_500);
    expect(peer.closedWith?.code).toBe(closeCode.slow);
    peer.hangUp();
    expect(observed).toEqual([`closed ${String(closeCode.slow)}`]);
  });

  it('is not asked for more, its answers wait for it, and none is lost', async () => {
    const { connect, gateway, chat, time } = await testGateway({ ...settings, requestsInFlightMax: 10_000 });
    const peer = await connect('ann');
    chat.isHolding = true;
    for (let id = 2; id < 602; id += 1) {
      peer.says({ t: 'send', id, conversation: 'tea' as never, n: id - 1, sentAt: 1, type: 'text', body: 'x' });
    }
    await time.settle();
    peer.isReading = false;
    chat.answerAll();
    await time.settle();
    expect(gateway.stats().sessions).toBe(1);
    peer.says({ t: 'history', id: 900, conversation: 'tea' as never, direction: 'forward' });
    await time.settle();
    expect(chat.calls).not.toContain('history ann');
    peer.resume();
    await time.settle();
    expect(peer.got('ack').map(({ id }) => id)).toEqual(Array.from({ length: 600 }, (_, index) => index + 2));
    expect(peer.got('error')).toMatchObject([{ id: 900, code: 'overloaded' }]);
  });

  it('is closed rather than let its answers pile up', async () => {
    const { connect, time } = await testGateway({
      ...settings,
      framesPerSession: { burst: 100_000 },
      framesPerUser: { burst: 100_000 },
    });
    const peer = await connect('ann');
    peer.isReading = false;
    for (let id = 2; id < 5_000; id += 1) peer.says({ t: 'ping', id });
    await time.settle();
    expect(peer.closedWith?.code).toBe(closeCode.slow);
  });
});

describe('notices', () => {
  it('of receipts and typing reach the sessions of those they are for', async () => {
    const { connect, gateway, time } = await testGateway();
    const peer = await connect('ann');
    const bob = await connect('bob');
    gateway.sessions.receipt([ann, 'nobody' as UserId], receipt);
    gateway.sessions.typing([ann], { conversation: receipt.conversation, user: receipt.user });
    await time.settle();
    expect(peer.frames.slice(1)).toEqual([
      { t: 'receipt', ...receipt },
      { t: 'typing', conversation: 'tea', user: 'bob' },
    ]);
    expect(bob.frames).toHaveLength(1);
  });
});

describe('a stored entry that cannot be read', () => {
  it('stops neither the gateway nor the other frames of the message, and is no silent hole', async () => {
    const { connect, gateway, time, log } = await testGateway();
    const json = await connect('bob', 'phone', 'json');
    const broken = new WireEntry(generation(1), sequenceId(1), Uint8Array.of(99, 1, 2));
    const push = { ...messagePush(1, ''), items: [{ conversation: 'tea' as never, messages: [broken] }] };
    gateway.sessions.push('bob' as UserId, push);
    json.says({ t: 'ping', id: 4 });
    await time.settle();
    expect(json.frames.slice(1).map(({ t }) => t)).toEqual(['resync', 'pong']);
    expect(log.lines.filter((line) => line.startsWith('error a stored entry cannot be read'))).toHaveLength(1);
  });
});
