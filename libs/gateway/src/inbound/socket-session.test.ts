import type { ConversationId, UserId } from '@millrace/kernel';
import { closeCode, protocolLimits, type ClientFrame } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { connectFrame, testGateway } from '../testing/test-gateway.ts';

const send = (id: number, n = id): ClientFrame => ({
  t: 'send',
  id,
  conversation: 'tea' as ConversationId,
  n,
  sentAt: 1,
  type: 'text',
  body: 'x',
});

describe('the way into a session', () => {
  it('tells a device that connects who it is and where its inbox stands', async () => {
    const { chat, connect, time } = await testGateway({ frameBytesMax: 2_048, idleMs: 5_000 });
    chat.inboxes.set('ann' as UserId, 41);
    const peer = await connect('ann');
    expect(peer.frames).toEqual([
      {
        t: 'connected',
        id: 1,
        user: 'ann',
        device: 'phone',
        session: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        serverTime: time.nowMs(),
        ackLevel: 'memory',
        inbox: { gen: 1, seq: 41 },
        limits: { frameBytes: 2_048, bodyBytes: 32_768, sendWindow: 64, idleMs: 5_000 },
      },
    ]);
  });

  it.each([
    ['bad', 'unauthenticated', closeCode.unauthenticated],
    ['old', 'token_expired', closeCode.tokenExpired],
    ['ann@laptop', 'unauthenticated', closeCode.unauthenticated],
    ['defect', 'internal', closeCode.unavailable],
  ])('answers the token %s with %s and closes', async (token, code, close) => {
    const { engine, time, chat } = await testGateway();
    const peer = engine.open();
    peer.says(connectFrame(token));
    await time.settle();
    expect(peer.frames).toMatchObject([{ t: 'error', id: 1, code }]);
    expect(peer.closedWith?.code).toBe(close);
    expect(JSON.stringify([peer.frames, peer.closedWith])).not.toContain(`"${token}"`);
    expect(chat.calls).toEqual([]);
  });

  it('lets the device that a token names use it', async () => {
    const { connect } = await testGateway();
    expect((await connect('ann@phone')).closedWith).toBe(null);
  });

  it('looks at nothing before the token was checked (I11)', async () => {
    const { engine, time, chat } = await testGateway();
    const first = engine.open();
    first.says(send(9));
    expect(first.frames).toMatchObject([{ t: 'error', id: 9, code: 'unauthenticated' }]);
    expect(first.closedWith?.code).toBe(closeCode.unauthenticated);

    const second = engine.open();
    second.says(connectFrame('ann'), send(2));
    await time.settle();
    expect(second.frames).toMatchObject([
      { t: 'error', id: 2, code: 'unauthenticated' },
      { t: 'connected', id: 1 },
    ]);
    expect(chat.calls).toEqual(['attach ann']);
  });

  it('closes a socket that does not connect in time, and one whose session cannot be opened in time', async () => {
    const { engine, time, chat } = await testGateway({ handshakeMs: 1_000 });
    const silent = engine.open();
    chat.isHolding = true;
    const stuck = engine.open();
    stuck.says(connectFrame('ann'));
    await time.advance(900);
    expect([silent.closedWith, stuck.closedWith]).toEqual([null, null]);
    await time.advance(1_200);
    expect(silent.closedWith?.code).toBe(closeCode.handshakeTimeout);
    expect(stuck.closedWith?.code).toBe(closeCode.unavailable);
    expect(stuck.frames).toMatchObject([{ t: 'error', code: 'unavailable', retry: 'later' }]);
    stuck.hangUp();
    chat.answerAll();
    await time.settle();
    expect(chat.calls).toEqual(['attach ann', 'detach ann']);
  });

  it('refuses the session when the chat cannot say where the inbox stands', async () => {
    const { engine, time, chat, gateway } = await testGateway();
    chat.attachError = { code: 'unavailable', message: 'no store', retry: 'later' };
    const peer = engine.open();
    peer.says(connectFrame('ann'));
    await time.settle();
    expect(peer.frames).toMatchObject([{ t: 'error', id: 1, code: 'unavailable' }]);
    expect(peer.closedWith?.code).toBe(closeCode.unavailable);
    expect(gateway.stats()).toMatchObject({ sessions: 0, users: 0 });
  });
});

describe('the frames of a session', () => {
  it('asks the chat as the user of the token, whatever a frame says (I11)', async () => {
    const { connect, chat, time } = await testGateway();
    const peer = await connect('ann');
    peer.saysBytes(
      Buffer.from(
        '{"t":"send","id":5,"user":"eve","from":"eve","conversation":"tea","n":1,"sentAt":1,"type":"text","body":"x"}',
      ),
    );
    await time.settle();
    expect(chat.calls).toContain('send ann/phone tea 1');
    expect(peer.got('ack')).toEqual([
      {
        t: 'ack',
        id: 5,
        conversation: 'tea',
        n: 1,
        gen: 1,
        seq: 1,
        msgNo: 1,
        at: 5,
        level: 'memory',
        duplicate: false,
      },
    ]);
  });

  it('answers every request, and joins the answers of a turn into one message', async () => {
    const { connect, time, chat } = await testGateway();
    const peer = await connect('ann', 'phone', 'binary');
    const before = peer.messages;
    chat.isHolding = true;
    for (let id = 10; id < 40; id += 1) peer.says(send(id, id - 9));
    chat.answerAll();
    await time.settle();
    expect(peer.got('ack').map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, index) => index + 10));
    expect(peer.messages).toBe(before + 1);
    chat.isHolding = false;
    peer.says({ t: 'ping', id: 50 });
    peer.says({ t: 'history', id: 51, conversation: 'tea' as ConversationId, direction: 'forward' });
    peer.says({ t: 'join', id: 52, conversation: 'tea' as ConversationId });
    peer.says({ t: 'typing', conversation: 'tea' as ConversationId });
    peer.says(connectFrame('ann'));
    await time.settle();
    expect(peer.got('pong')).toEqual([{ t: 'pong', id: 50, serverTime: time.nowMs() }]);
    const refused = peer.got('error').map(({ id, code }) => `${String(id)} ${code}`);
    expect(refused.sort()).toEqual(['1 bad_request', '51 not_found', '52 not_found']);
    expect(chat.calls).toContain('typing ann');
  });

  it('answers a frame that is wrong, and goes on', async () => {
    const { connect, time } = await testGateway();
    const peer = await connect('ann');
    peer.saysBytes(Buffer.from('[{"t":"ping","id":2},{"t":"nonsense","id":3},{"t":"ping","id":"x"}]'));
    await time.settle();
    expect(peer.got('pong')).toHaveLength(1);
    expect(peer.got('error').map(({ code, id }) => [code, id])).toEqual([
      ['bad_frame', 3],
      ['bad_request', undefined],
    ]);
    expect(peer.closedWith).toBe(null);
  });

  it.each([
    ['no JSON', Buffer.from('{'), false, closeCode.badFrame, 'bad_frame'],
    ['bytes over the JSON subprotocol', Buffer.from('{}'), true, closeCode.badFrame, 'bad_frame'],
    ['an oversized message', Buffer.alloc(protocolLimits.frameBytes + 1, 32), false, closeCode.tooLarge, 'too_large'],
  ])('answers and closes after %s', async (_what, bytes, isBinary, close, code) => {
    const { connect, time } = await testGateway();
    const peer = await connect('ann');
    peer.saysBytes(bytes, isBinary);
    await time.settle();
    expect(peer.got('error')).toMatchObject([{ code }]);
    expect(peer.closedWith?.code).toBe(close);
  });

  it('bounds the requests and the queries that are under way (I9)', async () => {
    const { connect, chat, time } = await testGateway({ requestsInFlightMax: 5, queriesInFlightMax: 2 });
    const peer = await connect('ann');
    chat.isHolding = true;
    for (let id = 10; id < 13; id += 1) {
      peer.says({ t: 'history', id, conversation: 'tea' as ConversationId, direction: 'forward' });
    }
    for (let id = 20; id < 24; id += 1) peer.says(send(id, id - 19));
    await time.settle();
    expect(peer.got('error').map(({ id, code, retryAfterMs }) => [id, code, retryAfterMs])).toEqual([
      [12, 'overloaded', 200],
      [23, 'overloaded', 200],
    ]);
    chat.answerAll();
    await time.settle();
    peer.says(send(30, 4));
    await time.settle();
    chat.answerAll();
    await time.settle();
    expect(peer.got('ack').map(({ id }) => id)).toEqual([20, 21, 22, 30]);
  });

  it('refuses what is too fast for the session, the user or the address, and tells when to come back', async () => {
    const { connect, observed, time } = await testGateway({
      framesPerSession: { perSecond: 10, burst: 3 },
      framesPerUser: { perSecond: 10, burst: 5 },
      framesPerIp: { perSecond: 10, burst: 6 },
    });
    const phone = await connect('ann', 'phone');
    const laptop = await connect('ann', 'laptop');
    const other = await connect('bob', 'phone');
    for (let id = 2; id < 6; id += 1) phone.says({ t: 'ping', id });
    for (let id = 2; id < 5; id += 1) laptop.says({ t: 'ping', id });
    for (let id = 2; id < 5; id += 1) other.says({ t: 'ping', id });
    await time.settle();
    expect([phone, laptop, other].map((peer) => peer.got('pong').length)).toEqual([3, 2, 1]);
    expect(phone.got('error')).toMatchObject([{ id: 5, code: 'rate_limited', retry: 'later', retryAfterMs: 200 }]);
    expect(observed.filter((what) => what === 'limited')).toHaveLength(4);
    await time.advance(200);
    phone.says({ t: 'ping', id: 9 });
    await time.settle();
    expect(phone.got('pong')).toHaveLength(4);
  });

  it('closes a session that goes on being refused', async () => {
    const { connect, time } = await testGateway({ framesPerSession: { perSecond: 1, burst: 1 }, offencesMax: 20 });
    const peer = await connect('ann');
    for (let id = 2; id < 22; id += 1) peer.says({ t: 'ping', id });
    await time.settle();
    expect(peer.closedWith).toBe(null);
    await time.advance(5_000);
    for (let id = 30; id < 60; id += 1) peer.says({ t: 'ping', id });
    await time.settle();
    expect(peer.closedWith?.code).toBe(closeCode.rateLimited);
  });
});

describe('the end of a session', () => {
  it('comes when nothing was heard for too long', async () => {
    const { connect, time } = await testGateway({ idleMs: 3_000 });
    const peer = await connect('ann');
    await time.advance(2_500);
    peer.says({ t: 'ping', id: 2 });
    await time.advance(2_500);
    expect(peer.closedWith).toBe(null);
    await time.advance(2_000);
    expect(peer.closedWith?.code).toBe(closeCode.idle);
  });

  it('comes when the token expires, unless it was refreshed, and whatever the wall clock does (I10)', async () => {
    const { connect, time } = await testGateway();
    const peer = await connect('ann until +10');
    const other = await connect('bob until +10');
    time.wallMs += 86_400_000;
    await time.advance(8_000);
    peer.says({ t: 'refresh', id: 3, token: 'ann until +20' });
    await time.settle();
    expect(peer.got('ok')).toEqual([{ t: 'ok', id: 3 }]);
    await time.advance(4_000);
    expect([peer.closedWith?.code, other.closedWith?.code]).toEqual([undefined, closeCode.tokenExpired]);
    time.wallMs -= 172_800_000;
    await time.advance(20_000);
    expect(peer.closedWith?.code).toBe(closeCode.tokenExpired);
  });

  it('is not put off by a token that is not for this user and device', async () => {
    const { connect, time } = await testGateway();
    const peer = await connect('ann until +10');
    for (const token of ['bob', 'ann@laptop', 'old']) {
      peer.says({ t: 'refresh', id: 3, token });
      await time.settle();
    }
    expect(peer.got('error').map(({ code }) => code)).toEqual(['forbidden', 'unauthenticated', 'token_expired']);
    await time.advance(12_000);
    expect(peer.closedWith?.code).toBe(closeCode.tokenExpired);
  });

  it('comes for the older one when the same device connects again, each time', async () => {
    const { connect, gateway, chat } = await testGateway();
    const peers = [await connect('ann'), await connect('ann'), await connect('ann')];
    const laptop = await connect('ann', 'laptop');
    expect(peers.map((peer) => peer.closedWith?.code)).toEqual([closeCode.replaced, closeCode.replaced, undefined]);
    expect(laptop.closedWith).toBe(null);
    expect(gateway.sessions.list('ann' as UserId).map(({ device }) => device)).toEqual(['phone', 'laptop']);
    for (const peer of peers) peer.hangUp();
    laptop.hangUp();
    expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 });
    expect(chat.calls.at(-1)).toBe('detach ann');
  });
});
