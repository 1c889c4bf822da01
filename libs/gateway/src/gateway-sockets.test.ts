import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ok, seededRandom, type Random, type UserId } from '@millrace/kernel';
import { closeCode, encodeClientFrames, subprotocols, type ClientFrame, type Encoding } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { SocketEngine } from './engine/socket-engine.ts';
import type { Gateway } from './gateway.ts';
import { MemoryChat, messagePush } from './testing/memory-chat.ts';
import { rawConnection } from './testing/raw-connection.ts';
import { onEachEngine, realGateway } from './testing/real-gateway.ts';
import { SocketClient as Client, until } from './testing/socket-client.ts';
import { connectFrame, MemoryLog } from './testing/test-gateway.ts';

const ann = 'ann' as UserId;
const FUZZ_SEED = 20_240;
const FUZZ_MESSAGES = 30_000;
const MUCH = { perSecond: 1_000_000, burst: 1_000_000 };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const samples: readonly ClientFrame[] = [
  connectFrame('ann'),
  { t: 'ping', id: 2 },
  { t: 'send', id: 3, conversation: 'tea' as never, n: 1, sentAt: 1, type: 'text', body: 'hello 水' },
  { t: 'send', id: 4, conversation: 'tea' as never, n: 2, sentAt: 1, type: 'custom', body: Uint8Array.of(1, 2, 255) },
  { t: 'sync', id: 5, token: 'abc', seen: { gen: 1 as never, seq: 4 as never }, limit: 10 },
  { t: 'history', id: 6, conversation: 'tea' as never, direction: 'backward', limit: 3 },
  { t: 'create', id: 7, kind: 'group', members: ['bob' as UserId], title: 'Tea' },
  { t: 'typing', conversation: 'tea' as never },
  { t: 'refresh', id: 8, token: 'ann' },
];

/** Bytes that a broken or hostile client may send: noise, or good messages that were damaged. */
function hostile(random: Random, encoding: Encoding): Buffer {
  const below = (bound: number): number => Math.floor(random.fraction() * bound);
  if (below(4) === 0) return Buffer.from(Array.from({ length: below(200) }, () => below(256)));
  const frames = Array.from({ length: 1 + below(4) }, () => samples[below(samples.length)]).filter(
    (frame) => frame !== undefined,
  );
  const bytes = Buffer.from(encodeClientFrames(frames, encoding));
  for (let count = below(6); count > 0 && bytes.length > 0; count -= 1) bytes[below(bytes.length)] = below(256);
  const end = below(3) === 0 ? below(bytes.length + 1) : bytes.length;
  return below(10) === 0 ? Buffer.concat([bytes, bytes]) : bytes.subarray(0, end);
}

function gatewayOver(name: string, create: () => SocketEngine): void {
  describe(`a gateway on ${name}`, () => {
    let chat: MemoryChat;
    let log: MemoryLog;
    let gateway: Gateway;
    const clients: Client[] = [];

    beforeEach(async () => {
      chat = new MemoryChat();
      log = new MemoryLog();
      const rates = {
        ...{ framesPerSession: MUCH, framesPerUser: MUCH, framesPerIp: MUCH },
        ...{ connects: MUCH, connectsPerIp: MUCH, offencesMax: 100_000 },
      };
      gateway = await realGateway(create(), rates, { chat, log });
    });

    afterEach(async () => {
      for (const { socket } of clients.splice(0)) socket.terminate();
      await gateway.close();
    });

    const client = (encoding: Encoding): Client => {
      const made = new Client(gateway.port, encoding);
      clients.push(made);
      return made;
    };

    it.each(['json', 'binary'] as const)('carries requests, answers and pushes: %s', async (encoding) => {
      const phone = await client(encoding).open('ann');
      phone.says(
        { t: 'send', id: 2, conversation: 'tea' as never, n: 1, sentAt: 1, type: 'text', body: 'hi' },
        { t: 'ping', id: 3 },
      );
      gateway.sessions.push(ann, messagePush(1, 'hello 水'));
      await until(() => expect(phone.frames).toHaveLength(4));
      expect(phone.got('ack')).toMatchObject([{ id: 2, seq: 1 }]);
      expect(phone.got('pong')).toMatchObject([{ id: 3 }]);
      expect(phone.got('push')).toMatchObject([{ prev: 0, seq: 1, items: [{ messages: [{ body: 'hello 水' }] }] }]);
      expect(gateway.sessions.kick(ann)).toBe(1);
      await until(() => expect(phone.closedWith).toBe(closeCode.revoked));
      await until(() => expect(gateway.stats()).toEqual({ sockets: 0, sessions: 0, users: 0 }));
    });

    it('tells a device that did not read to sync, once it reads again, and leaves no silent hole (I9)', async () => {
      const headers = { 'Sec-WebSocket-Protocol': subprotocols.json };
      const slow = await rawConnection(gateway.port, { headers, pause: true });
      // One masked frame, mask 0: the connect message.
      const text = Buffer.from(JSON.stringify(connectFrame('ann')));
      slow.socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
      await until(() => expect(gateway.stats().sessions).toBe(1));
      const body = 'x'.repeat(20_000);
      let seq = 0;
      await until(() => {
        for (let count = 0; count < 20; count += 1) gateway.sessions.push(ann, messagePush((seq += 1), body));
        expect(seq).toBeGreaterThan(2_000);
      });
      slow.socket.resume();
      await until(() => expect(slow.received().toString()).toContain('{"t":"resync","reason":"slow"}'));
      const received = slow.received().toString();
      const pushed = [...received.matchAll(/"prev":(\d+),"seq":(\d+)/g)].map(([, prev, to]) => [
        Number(prev),
        Number(to),
      ]);
      expect(pushed).toEqual(pushed.map((_, index) => [index, index + 1]));
      expect(pushed.length).toBeLessThan(seq);
      expect(received.match(/"resync"/g)).toHaveLength(1);
      slow.socket.destroy();
      await until(() => expect(gateway.stats().sockets).toBe(0));
    });

    it('answers an oversized message, and cuts off one that is far over', async () => {
      const over = await client('json').open('ann');
      over.socket.send(' '.repeat(65_537));
      await until(() => expect(over.closedWith).toBe(closeCode.tooLarge));
      expect(over.got('error')).toMatchObject([{ code: 'too_large' }]);
      const far = await client('json').open('bob');
      far.socket.send(' '.repeat(1_000_000));
      await until(() => expect([1006, 1009]).toContain(far.closedWith));
    });

    it(`outlives ${String(FUZZ_MESSAGES)} random and damaged messages, and keeps nothing of them (I9)`, async () => {
      const random = seededRandom(FUZZ_SEED);
      const calm = await client('binary').open('calm');
      chat.sync = () => Promise.resolve(chat.synced(0));
      chat.history = () =>
        Promise.resolve(ok({ conversation: 'tea', messages: [], hasMore: false, head: { gen: 1, seq: 0 } } as never));
      let attackers: { readonly socket: WebSocket; readonly encoding: Encoding }[] = [];
      let sent = 0;
      let pings = 1;

      const attack = async (messages: number): Promise<void> => {
        for (const target = sent + messages; sent < target;) {
          attackers = attackers.filter(({ socket }) => socket.readyState === socket.OPEN);
          while (attackers.length < 8) {
            const encoding = random.fraction() < 0.5 ? 'json' : 'binary';
            const socket = new WebSocket(`ws://127.0.0.1:${String(gateway.port)}/`, [subprotocols[encoding]]);
            socket.on('error', () => undefined);
            await once(socket, 'open');
            // Most come past the door; what they send is then looked at in full.
            if (random.fraction() < 0.8)
              socket.send(encodeClientFrames([connectFrame(`u${String(sent % 50)}`)], encoding));
            attackers.push({ socket, encoding });
          }
          for (const { socket, encoding } of attackers) {
            for (let count = 0; count < 20; count += 1) {
              const isBinary = (encoding === 'binary') !== random.fraction() < 0.002;
              // A text that is not UTF-8 is the engine's to refuse; here it is to come through.
              const bytes = hostile(random, encoding);
              socket.send(isBinary ? bytes : bytes.toString(), { binary: isBinary });
              sent += 1;
            }
          }
          pings += 1;
          calm.says({ t: 'ping', id: pings });
          await until(() => expect(calm.got('pong').at(-1)?.id).toBe(pings));
          calm.frames.length = 0;
          calm.frames.push({ t: 'pong', id: pings, serverTime: 0 });
          chat.calls.length = 0;
        }
      };
      const quietBytes = async (): Promise<number> => {
        for (const { socket } of attackers) socket.terminate();
        await until(() => expect(gateway.stats()).toMatchObject({ sockets: 1, sessions: 1, users: 1 }));
        log.lines.length = 0;
        collectGarbage();
        await new Promise((resolve) => setImmediate(resolve));
        collectGarbage();
        const { heapUsed, external } = process.memoryUsage();
        return heapUsed + external;
      };

      await attack(FUZZ_MESSAGES / 3);
      const before = await quietBytes();
      await attack((FUZZ_MESSAGES * 2) / 3);
      const grown = (await quietBytes()) - before;
      expect(sent).toBeGreaterThanOrEqual(FUZZ_MESSAGES);
      expect(calm.closedWith).toBe(null);
      expect(grown).toBeLessThan(4_000_000);
    }, 120_000);
  });
}

onEachEngine(gatewayOver);
