import type { DeviceId, NodeId, UserId } from '@millrace/kernel';
import { closeCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { gatewayConfigSchema } from './gateway-config.ts';
import { messagePush } from './testing/memory-chat.ts';
import { connectFrame, testGateway } from './testing/test-gateway.ts';

const ann = 'ann' as UserId;
const phone = 'phone' as DeviceId;

describe('the sessions of a gateway', () => {
  it('are listed, and closed as revoked by name or all at once', async () => {
    const { connect, gateway, time } = await testGateway();
    const phone = await connect('ann', 'phone');
    const laptop = await connect('ann', 'laptop');
    const bob = await connect('bob');
    const listed = gateway.sessions.list(ann);
    expect(listed).toMatchObject([
      { device: 'phone', client: null, ip: '192.0.2.1', since: time.nowMs() },
      { device: 'laptop' },
    ]);
    expect(gateway.sessions.kick(ann, 'another')).toBe(0);
    expect(gateway.sessions.kick(ann, listed[1]?.session)).toBe(1);
    expect([phone.closedWith, laptop.closedWith?.code]).toEqual([null, closeCode.revoked]);
    expect(gateway.sessions.kick(ann)).toBe(1);
    expect(phone.closedWith?.code).toBe(closeCode.revoked);
    expect(gateway.sessions.list(ann)).toEqual([]);
    expect(bob.closedWith).toBe(null);
  });

  it('of one user are bounded (I9)', async () => {
    const { connect, engine, time } = await testGateway({ sessionsPerUserMax: 2 });
    await connect('ann', 'a');
    await connect('ann', 'b');
    const third = engine.open();
    third.says(connectFrame('ann', 'c'));
    await time.settle();
    expect(third.got('error')).toMatchObject([{ id: 1, code: 'limit_reached' }]);
    expect(third.closedWith?.code).toBe(closeCode.overloaded);
    expect((await connect('ann', 'b')).closedWith).toBe(null);
  });

  it('attach their user first and detach it last', async () => {
    const { connect, chat, gateway } = await testGateway();
    const phone = await connect('ann', 'phone');
    const laptop = await connect('ann', 'laptop');
    phone.hangUp();
    expect(chat.calls).toEqual(['attach ann', 'attach ann']);
    laptop.hangUp();
    expect(chat.calls).toEqual(['attach ann', 'attach ann', 'detach ann']);
    gateway.sessions.push(ann, messagePush(1, 'nobody is here'));
    expect(gateway.stats().sessions).toBe(0);
  });

  it('do not detach a user whose next session is being opened', async () => {
    const { connect, chat, engine, time } = await testGateway();
    const phone = await connect('ann', 'phone');
    chat.isHolding = true;
    const laptop = engine.open();
    laptop.says(connectFrame('ann', 'laptop'));
    await time.settle();
    phone.hangUp();
    laptop.hangUp();
    expect(chat.calls).toEqual(['attach ann', 'attach ann']);
    chat.answerAll();
    await time.settle();
    expect(chat.calls).toEqual(['attach ann', 'attach ann', 'detach ann']);
  });
});

describe('a session that ends while it is being opened', () => {
  it('is detached only after the attach was answered, so that the chat never ends attached to nobody', async () => {
    const { gateway, chat, engine, time } = await testGateway();
    chat.isHolding = true;
    const peer = engine.open();
    peer.says(connectFrame('ann'));
    await time.settle();
    expect(gateway.sessions.kick(ann)).toBe(1);
    peer.hangUp();
    expect(chat.calls).toEqual(['attach ann']);
    chat.answerAll();
    await time.settle();
    expect(chat.calls).toEqual(['attach ann', 'detach ann']);
    expect(peer.got('connected')).toEqual([]);
    expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 });
  });
});

describe('a device that connects on another node, too', () => {
  const later = { version: 1, owner: 'owner-1' as NodeId, n: 99 };
  const earlier = { version: 1, owner: 'owner-1' as NodeId, n: 0 };

  it('has its older session here closed as replaced, and only that of the device', async () => {
    const { connect, gateway, chat } = await testGateway();
    const [first, laptop] = [await connect('ann', 'phone'), await connect('ann', 'laptop')];
    expect(chat.connectedAs).toEqual(['ann/phone 1', 'ann/laptop 2']);
    expect(first.got('connected')[0]?.inbox).toEqual({ gen: 1, seq: 0 });
    expect(gateway.sessions.arrivals(ann).map(({ device, arrival }) => [device, arrival.n])).toEqual([
      ['phone', 1],
      ['laptop', 2],
    ]);
    expect(gateway.sessions.replace(ann, phone, later)).toBe(null);
    expect(first.closedWith?.code).toBe(closeCode.replaced);
    expect(laptop.closedWith).toBe(null);
    expect(gateway.sessions.replace(ann, phone, later)).toBe(null);
    expect(gateway.sessions.list(ann)).toHaveLength(1);
  });

  it('keeps its session here when that is the newer one, which the other node is told, or when nobody can say', async () => {
    const { connect, gateway } = await testGateway();
    const peer = await connect('ann', 'phone');
    expect(gateway.sessions.replace(ann, phone, earlier)).toMatchObject({ n: 1 });
    expect(gateway.sessions.replace(ann, phone, { ...later, owner: 'owner-2' as NodeId })).toBe(null);
    expect(peer.closedWith).toBe(null);
  });

  it('is told that it was replaced, and never connected, when it was elsewhere before its session here was open', async () => {
    const { gateway, chat, engine, time } = await testGateway();
    chat.isHolding = true;
    const peer = engine.open();
    peer.says(connectFrame('ann', 'phone'));
    await time.settle();
    expect(gateway.sessions.replace(ann, phone, later)).toBe(null);
    expect(gateway.sessions.replace(ann, phone, earlier)).toBe(null);
    expect(gateway.sessions.arrivals(ann)).toEqual([]);
    expect(peer.closedWith).toBe(null);
    chat.answerAll();
    await time.settle();
    expect([peer.got('connected'), peer.closedWith?.code]).toEqual([[], closeCode.replaced]);
    expect(chat.connectedAs).toEqual([]);
    peer.hangUp();
    expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 });
    expect(chat.calls.at(-1)).toBe('detach ann');
  });

  it('makes nobody give way when its socket here is gone before its session is open', async () => {
    const { chat, engine, time } = await testGateway();
    chat.isHolding = true;
    const peer = engine.open();
    peer.says(connectFrame('ann', 'phone'));
    await time.settle();
    peer.hangUp();
    chat.answerAll();
    await time.settle();
    expect(chat.connectedAs).toEqual([]);
  });
});

describe('a gateway that drains', () => {
  it('asks everybody to go, takes nobody new, and closes who is left at the deadline', async () => {
    const { connect, engine, gateway, time } = await testGateway({ closeMs: 100 });
    const early = await connect('ann');
    const late = await connect('bob');
    const unconnected = engine.open();
    const drained = gateway.drain(2_000);
    await time.settle();
    expect(early.got('drain')).toEqual([{ t: 'drain', deadlineMs: 2_000 }]);
    expect(engine.upgrade()).toMatchObject({ accept: false, status: 503 });
    unconnected.says(connectFrame('eve'));
    await time.settle();
    expect(unconnected.got('error')).toMatchObject([{ id: 1, code: 'draining' }]);
    expect(unconnected.closedWith?.code).toBe(closeCode.draining);
    unconnected.hangUp();
    early.hangUp(1000);
    late.says({ t: 'ping', id: 2 });
    await time.advance(1_500);
    expect(late.got('pong')).toHaveLength(1);
    expect(late.closedWith).toBe(null);
    await time.advance(600);
    expect(late.closedWith?.code).toBe(closeCode.draining);
    late.hangUp();
    await time.advance(50);
    await drained;
    expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 });
  });

  it('asks them one after the other, within half of the time: they do not all come to another node at once', async () => {
    const { connect, gateway, time } = await testGateway();
    const peers = await Promise.all(Array.from({ length: 30 }, (_, index) => connect(`user${String(index)}`)));
    const asked = () => peers.map((peer) => peer.got('drain')).filter((got) => got.length > 0);
    const drained = gateway.drain(1_000);
    await time.settle();
    expect(asked()).toEqual([[{ t: 'drain', deadlineMs: 1_000 }], [expect.anything()], [expect.anything()]]);
    peers[29]?.hangUp();
    await time.advance(200);
    expect(asked()).toHaveLength(15);
    await time.advance(300);
    expect(asked()).toHaveLength(29);
    expect(asked().at(-1)).toEqual([{ t: 'drain', deadlineMs: 550 }]);
    for (const peer of peers) peer.hangUp();
    await time.advance(50);
    await drained;
  });

  it.each([
    [true, false],
    [false, true],
  ])('leaves its port, if it is shared (%s), to those who go on', async (portShared, isListening) => {
    const { connect, engine, gateway, time } = await testGateway({ portShared });
    const peer = await connect('ann');
    const drained = gateway.drain(2_000);
    expect(engine.isListening).toBe(isListening);
    peer.hangUp(1000);
    await time.advance(50);
    await drained;
  });

  it('is done as soon as the last socket is gone', async () => {
    const { connect, gateway, time } = await testGateway();
    const peer = await connect('ann');
    let isDone = false;
    void gateway.drain(60_000).then(() => (isDone = true));
    await time.advance(100);
    expect(isDone).toBe(false);
    peer.hangUp(1000);
    await time.advance(20);
    expect(isDone).toBe(true);
  });
});

describe('a gateway of a node that is cut off', () => {
  it('sends everybody away, takes nobody, and takes them again when it is not any more', async () => {
    const { connect, cutOff, chat, engine, gateway, time } = await testGateway();
    const peers = [await connect('ann', 'a'), await connect('ann', 'b'), await connect('ben', 'c')];
    const unconnected = engine.open();
    chat.isHolding = true;
    const opening = engine.open();
    opening.says(connectFrame('eve'));
    await time.settle();
    cutOff.is = true;
    await time.advance(250);
    for (const peer of [...peers, unconnected, opening]) expect(peer.closedWith?.code).toBe(closeCode.moved);
    expect(engine.upgrade()).toMatchObject({ accept: false, status: 503, retryAfterS: 1 });
    for (const peer of [...peers, unconnected, opening]) peer.hangUp();
    chat.isHolding = false;
    chat.answerAll();
    await time.settle();
    expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 });
    expect(chat.calls.filter((call) => call.startsWith('detach')).sort()).toEqual([
      'detach ann',
      'detach ben',
      'detach eve',
    ]);
    cutOff.is = false;
    await time.advance(250);
    expect((await connect('ann', 'a')).got('connected')).toHaveLength(1);
  });

  it('does not send all of very many away in one turn', async () => {
    const { cutOff, engine, time } = await testGateway();
    const peers = Array.from({ length: 3_000 }, () => engine.open());
    cutOff.is = true;
    const closed: number[] = [];
    for (let tick = 0; tick < 3; tick += 1) {
      await time.advance(250);
      closed.push(peers.filter(({ closedWith }) => closedWith !== null).length);
    }
    expect(closed).toEqual([1_250, 2_500, 3_000]);
  });
});

describe('the configuration of a gateway', () => {
  it('has a default for everything', () => {
    expect(gatewayConfigSchema.parse({})).toMatchObject({ port: 7_401, path: '/', origins: [], handshakeMs: 10_000 });
  });

  it.each([
    { port: 70_000 },
    { sendBufferBytesMax: 1 },
    { trustedProxies: ['10.0.0.0/99'] },
    { connects: { burst: 0 } },
  ])('refuses %j', (settings) => {
    expect(gatewayConfigSchema.safeParse(settings).success).toBe(false);
  });
});
