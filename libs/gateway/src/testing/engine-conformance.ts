import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { EngineServer, ListenOptions, SocketEngine } from '../engine/socket-engine.ts';
import { payloadsOf, rawConnection, type RawConnection } from './raw-connection.ts';
import { RecordingHandlers, type TestSocket } from './recording-handlers.ts';

export const OPTIONS: ListenOptions = {
  host: '127.0.0.1',
  port: 0,
  shared: false,
  maxFrameBytes: 65_536,
  maxSendBufferBytes: 262_144,
  handshakeMs: 2_000,
  closeMs: 300,
};
const PROTOCOL = { headers: { 'Sec-WebSocket-Protocol': 'chat.v1' } };

const soon = { timeout: 15_000, interval: 5 };
const until = <T>(condition: () => T): Promise<T> => vi.waitFor(condition, soon);

/** Fills a socket whose peer does not read, until the engine refuses. @returns the payloads that were taken. */
async function fill(socket: TestSocket, bytes: number): Promise<string[]> {
  const taken: string[] = [];
  // What a turn sends leaves at its end, so the bound is reached only over several.
  for (;;) {
    for (let count = 0; count < 8; count += 1) {
      const payload = `${String(taken.length)}:`.padEnd(bytes, 'x');
      if (socket.send(payload, false) === 'dropped') return taken;
      taken.push(payload);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Holds an implementation of {@link SocketEngine} to its specification, over real sockets. */
export function socketEngineConformance(create: () => SocketEngine): void {
  let handlers: RecordingHandlers;
  let server: EngineServer;
  const clients: WebSocket[] = [];
  const raw: RawConnection[] = [];

  beforeEach(async () => {
    handlers = new RecordingHandlers();
    const listening = await create().listen(OPTIONS, handlers);
    if (!listening.ok) throw new Error(listening.error.message);
    server = listening.value;
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.terminate();
    for (const { socket } of raw.splice(0)) socket.destroy();
    await server.close();
  });

  async function openClient(path = '/', protocols: string[] = ['chat.v1']): Promise<WebSocket> {
    const client = new WebSocket(`ws://127.0.0.1:${String(server.port)}${path}`, protocols);
    clients.push(client);
    await once(client, 'open');
    return client;
  }

  async function openRaw(path: string, pause: boolean, headers: Record<string, string> = {}): Promise<RawConnection> {
    const connection = await rawConnection(server.port, { path, pause, headers: { ...PROTOCOL.headers, ...headers } });
    raw.push(connection);
    return connection;
  }

  describe('messages', () => {
    it('brings texts and bytes both ways as what they are', async () => {
      handlers.received = (socket, data, isBinary) =>
        socket.send(isBinary ? data : Buffer.from(data).toString(), isBinary);
      const client = await openClient();
      const back: { data: Buffer; isBinary: boolean }[] = [];
      client.on('message', (data, isBinary) => back.push({ data: data as Buffer, isBinary }));
      const long = 'é水🚀'.repeat(7_000);
      for (const text of ['a', '', long, 'x'.repeat(125), 'x'.repeat(126)]) client.send(text);
      client.send(Uint8Array.of(0, 255, 128));
      await until(() => expect(back).toHaveLength(6));
      expect(back.slice(0, 5).map(({ data }) => data.toString())).toEqual([
        'a',
        '',
        long,
        'x'.repeat(125),
        'x'.repeat(126),
      ]);
      expect(back.map(({ isBinary }) => isBinary)).toEqual([false, false, false, false, false, true]);
      expect([...(back[5]?.data ?? [])]).toEqual([0, 255, 128]);
    });

    it('leaves received bytes to the receiver for good', async () => {
      const client = await openClient();
      for (let index = 0; index < 50; index += 1) client.send(Buffer.alloc(1_000, index));
      await until(() => expect(handlers.messages).toHaveLength(50));
      for (const [index, { data }] of handlers.messages.entries()) expect(new Set(data)).toEqual(new Set([index]));
    });

    it('keeps the order of what one turn sends, in frames of every size', async () => {
      const client = await openClient();
      const received: string[] = [];
      client.on('message', (data) => received.push((data as Buffer).toString()));
      const socket = handlers.at('/');
      const sent = Array.from({ length: 60 }, (_, index) => `${String(index)}:`.padEnd((index % 7) * 700, 'x'));
      const outcomes = sent.map((text) => socket.send(text, false));
      expect(socket.bufferedBytes()).toBeGreaterThan(0);
      expect(new Set(outcomes)).toEqual(new Set(['sent']));
      await until(() => expect(received).toHaveLength(60));
      expect(received).toEqual(sent);
      expect(socket.bufferedBytes()).toBe(0);
    });

    it('writes at once when it is told to flush', async () => {
      const client = await openClient();
      const first = once(client, 'message');
      handlers.at('/').send('now', false);
      server.flush();
      expect(handlers.at('/').bufferedBytes()).toBe(0);
      expect(String((await first)[0])).toBe('now');
    });

    it('answers a ping of the peer', async () => {
      const client = await openClient();
      const pong = once(client, 'pong');
      client.ping('are you there');
      expect(String((await pong)[0])).toBe('are you there');
    });
  });

  describe('bounds (I9)', () => {
    it('cuts off a peer whose message is over the limit, and nobody else', async () => {
      const other = await openClient('/other');
      const client = await openClient('/large');
      const closed = once(client, 'close');
      client.send(Buffer.alloc(OPTIONS.maxFrameBytes));
      await until(() => expect(handlers.messages).toHaveLength(1));
      client.send(Buffer.alloc(OPTIONS.maxFrameBytes + 1));
      expect([1006, 1009]).toContain((await closed)[0]);
      await until(() => expect(handlers.closed.map(({ socket }) => socket.context)).toEqual(['/large']));
      expect(handlers.messages).toHaveLength(1);
      other.send('still here');
      await until(() => expect(handlers.messages).toHaveLength(2));
    });

    it('counts what a peer does not read, refuses at the bound, and delivers exactly what it took', async () => {
      const slow = await openRaw('/slow', true);
      const reader = await openClient('/reader');
      const socket = handlers.at('/slow');
      const taken = await fill(socket, 20_000);
      expect(socket.bufferedBytes()).toBeGreaterThanOrEqual(OPTIONS.maxSendBufferBytes);
      expect(socket.bufferedBytes()).toBeLessThan(OPTIONS.maxSendBufferBytes + 20_100);
      expect(socket.send('no', false)).toBe('dropped');
      expect(handlers.drained).toEqual([]);
      const received = once(reader, 'message');
      expect(handlers.at('/reader').send('not held up', false)).toBe('sent');
      await received;

      slow.socket.resume();
      await until(() => expect(payloadsOf(slow.received())).toHaveLength(taken.length));
      expect(payloadsOf(slow.received()).map(String)).toEqual(taken);
      await until(() => expect(handlers.drained).toEqual([socket]));
      expect(socket.bufferedBytes()).toBe(0);
      expect(socket.send('yes', false)).toBe('sent');
      expect(handlers.dropped).toEqual([]);
    });

    it('says buffered while bytes wait for the peer', async () => {
      await openRaw('/slow', true);
      const socket = handlers.at('/slow');
      await until(() => {
        socket.send(Buffer.alloc(200_000), true);
        server.flush();
        expect(socket.bufferedBytes()).toBeGreaterThan(0);
      });
      expect(socket.send('more', false)).toBe('buffered');
    });

    it('takes a message that is larger than the bound when nothing waits', async () => {
      const client = await openClient();
      const received = once(client, 'message');
      expect(handlers.at('/').send(Buffer.alloc(OPTIONS.maxSendBufferBytes * 8, 7), true)).toBe('sent');
      expect(((await received)[0] as Buffer).length).toBe(OPTIONS.maxSendBufferBytes * 8);
    });

    it('gives a peer that reads late all that was taken, then the close code', async () => {
      const slow = await openRaw('/slow', true);
      const socket = handlers.at('/slow');
      const taken = await fill(socket, 20_000);
      socket.close(4100, 'slow');
      slow.socket.resume();
      const farewell = Buffer.concat([Buffer.from([0x88, 6, 0x10, 0x04]), Buffer.from('slow')]);
      await until(() => expect(slow.received().subarray(-farewell.length)).toEqual(farewell));
      expect(payloadsOf(slow.received()).map(String)).toEqual(taken);
      expect(handlers.drained).toEqual([]);
    });

    it('cuts off a peer that does not read its last messages', async () => {
      const slow = await openRaw('/slow', true);
      const socket = handlers.at('/slow');
      await fill(socket, 20_000);
      socket.close(4100, 'slow');
      expect(socket.send('no', false)).toBe('dropped');
      await until(() => expect(handlers.closed.map((closed) => closed.socket)).toEqual([socket]));
      slow.socket.resume();
      await until(() => expect(slow.socket.destroyed).toBe(true));
    });

    it('cuts off a peer that does not answer a close frame', async () => {
      const silent = await openRaw('/silent', false);
      handlers.at('/silent').close(4102, 'idle');
      await until(() => expect(silent.socket.destroyed).toBe(true));
      expect(silent.received()).toEqual(Buffer.concat([Buffer.from([0x88, 6, 0x10, 0x06]), Buffer.from('idle')]));
      await until(() => expect(handlers.closed).toHaveLength(1));
    });
  });

  describe('topics', () => {
    it('publish to those who listen at the moment, also when they begin or end in the same turn (I7)', async () => {
      const received = new Map<string, string[]>();
      for (const path of ['/leaves', '/comes', '/stays']) {
        const client = await openClient(path);
        received.set(path, []);
        client.on('message', (data) => received.get(path)?.push((data as Buffer).toString()));
      }
      const [leaves, comes, stays] = ['/leaves', '/comes', '/stays'].map((path) => handlers.at(path));
      leaves?.subscribe('group');
      stays?.subscribe('group');
      server.publish('group', 'one', false);
      leaves?.unsubscribe('group');
      comes?.subscribe('group');
      server.publish('group', 'two', false);
      for (const socket of [leaves, comes, stays]) socket?.send('end', false);
      await until(() => {
        for (const texts of received.values()) expect(texts).toContain('end');
        expect([...received.values()].flat()).toHaveLength(7);
      });
      const published = [...received].map(([path, texts]) => [path, ...texts.filter((text) => text !== 'end')]);
      expect(published).toEqual([
        ['/leaves', 'one'],
        ['/comes', 'two'],
        ['/stays', 'one', 'two'],
      ]);
    });

    it('publishes to 500 subscribers, each exactly once and in order', async () => {
      const received = new Map<WebSocket, string[]>();
      for (let index = 0; index < 500; index += 1) {
        const client = await openClient(`/${String(index)}`);
        received.set(client, []);
        client.on('message', (data) => received.get(client)?.push((data as Buffer).toString()));
      }
      for (const socket of handlers.opened) socket.subscribe('group');
      handlers.at('/7').unsubscribe('group');
      handlers.at('/8').unsubscribe('group');
      handlers.at('/8').subscribe('other');
      server.publish('group', 'one', false);
      server.publish('group', Buffer.from('two'), true);
      server.publish('nobody', 'three', false);
      const total = (): number => [...received.values()].reduce((sum, texts) => sum + texts.length, 0);
      await until(() => expect(total()).toBe(498 * 2));
      server.publish('other', 'four', false);
      await until(() => expect(total()).toBe(498 * 2 + 1));
      const [first] = received.values();
      expect(first).toEqual(['one', 'two']);
      expect([...received.values()][7]).toEqual([]);
      expect([...received.values()][8]).toEqual(['four']);
    });

    it('tells when it passes over a subscriber who does not read, and when that one has caught up (I9)', async () => {
      const slow = await openRaw('/slow', true);
      const reader = await openClient('/reader');
      let readerGot = 0;
      reader.on('message', () => (readerGot += 1));
      const socket = handlers.at('/slow');
      socket.subscribe('group');
      handlers.at('/reader').subscribe('group');
      let published = 0;
      await until(() => {
        server.publish('group', Buffer.alloc(60_000), true);
        published += 1;
        expect(handlers.dropped).toContain(socket);
      });
      await until(() => expect(readerGot).toBe(published));
      expect(new Set(handlers.dropped)).toEqual(new Set([socket]));
      slow.socket.resume();
      await until(() => expect(handlers.drained).toContain(socket));
      await until(() => expect(payloadsOf(slow.received())).toHaveLength(published - handlers.dropped.length));
    });

    it('forgets a socket that is gone', async () => {
      const client = await openClient();
      const socket = handlers.at('/');
      socket.subscribe('group');
      client.terminate();
      await until(() => expect(handlers.open.size).toBe(0));
      server.publish('group', 'one', false);
      socket.unsubscribe('group');
      socket.subscribe('group');
      expect(socket.send('no', false)).toBe('dropped');
      expect(socket.bufferedBytes()).toBe(0);
      socket.close(4000, 'again');
      expect(handlers.closed).toHaveLength(1);
    });
  });

  describe('the end of a socket', () => {
    it('sends what was taken, then the close code and reason', async () => {
      const client = await openClient();
      const received: string[] = [];
      client.on('message', (data) => received.push((data as Buffer).toString()));
      const closed = once(client, 'close');
      const socket = handlers.at('/');
      socket.send('last words', false);
      socket.close(4201, 'token expired');
      socket.close(4000, 'again');
      expect(socket.send('no', false)).toBe('dropped');
      const [code, reason] = (await closed) as [number, Buffer];
      expect([code, reason.toString(), received]).toEqual([4201, 'token expired', ['last words']]);
      await until(() => expect(handlers.closed).toEqual([{ socket, code: 4201 }]));
    });

    it('hands on nothing that comes after the close', async () => {
      const client = await openClient();
      handlers.received = (socket) => {
        socket.close(4300, 'bad frame');
      };
      const closed = once(client, 'close');
      for (let index = 0; index < 20; index += 1) client.send('x');
      expect((await closed)[0]).toBe(4300);
      await until(() => expect(handlers.closed).toHaveLength(1));
      expect(handlers.messages).toHaveLength(1);
    });

    it("tells the peer's code, and 1006 for a lost connection", async () => {
      const polite = await openClient('/polite');
      polite.close(4321, 'bye');
      await until(() => expect(handlers.closed).toEqual([{ socket: handlers.at('/polite'), code: 4321 }]));
      const gone = await openClient('/gone');
      gone.terminate();
      await until(() => expect(handlers.closed[1]).toEqual({ socket: handlers.at('/gone'), code: 1006 }));
    });

    it('refuses a text that is not UTF-8', async () => {
      const client = await openClient();
      const closed = once(client, 'close');
      client.send(Buffer.from([0xc3, 0x28]), { binary: false });
      expect([1006, 1007]).toContain((await closed)[0]);
      expect(handlers.messages).toEqual([]);
    });
  });

  describe('the upgrade', () => {
    it('tells who asks, and answers with the subprotocol that was chosen', async () => {
      handlers.answer = ({ protocols }) => ({ accept: true, subprotocol: protocols[1] ?? '', context: 'mine' });
      const client = new WebSocket(`ws://127.0.0.1:${String(server.port)}/a/b?token=secret`, ['x.v2', 'chat.v1'], {
        origin: 'https://chat.example.org',
        headers: { 'X-Forwarded-For': '203.0.113.9, 10.0.0.1' },
      });
      clients.push(client);
      await once(client, 'open');
      expect(client.protocol).toBe('chat.v1');
      expect(handlers.requests).toEqual([
        {
          origin: 'https://chat.example.org',
          protocols: ['x.v2', 'chat.v1'],
          ip: '127.0.0.1',
          forwardedFor: '203.0.113.9, 10.0.0.1',
          path: '/a/b',
        },
      ]);
      expect(handlers.opened.map(({ context }) => context)).toEqual(['mine']);
    });

    it('never negotiates compression', async () => {
      const extensions = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
      const connection = await openRaw('/', false, extensions);
      expect(connection.status).toBe(101);
      expect(connection.head.toLowerCase()).not.toContain('sec-websocket-extensions');
    });

    it('refuses with a status, a reason and when to come again', async () => {
      handlers.answer = () => ({ accept: false, status: 429, message: 'too many connections', retryAfterS: 7 });
      const connection = await openRaw('/', false);
      expect(connection.status).toBe(429);
      expect(connection.head).toMatch(/^retry-after: 7$/im);
      await until(() => expect(connection.received().toString()).toBe('too many connections\n'));
      await until(() => expect(connection.socket.destroyed).toBe(true));
      expect(handlers.opened).toEqual([]);
    });

    it('answers a plain request with 426, and an impossible upgrade with no socket', async () => {
      const status = await new Promise((resolve, reject) => {
        const asked = request({ port: server.port, host: '127.0.0.1', path: '/' }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.on('error', reject).end();
      });
      expect(status).toBe(426);
      const connection = await openRaw('/', false, { 'Sec-WebSocket-Key': 'short' });
      expect(connection.status).toBeGreaterThanOrEqual(400);
      expect(handlers.opened).toEqual([]);
    });
  });

  describe('the port', () => {
    it('is refused when another listens on it, and free again after the close', async () => {
      const { port } = server;
      await server.close();
      const listening = await create().listen({ ...OPTIONS, port }, handlers);
      if (!listening.ok) throw new Error(listening.error.message);
      server = listening.value;
      expect(server.port).toBe(port);
      const taken = await create().listen({ ...OPTIONS, port }, new RecordingHandlers());
      expect(taken).toMatchObject({ ok: false, error: { code: 'address_in_use' } });
      const client = await openClient();
      const closed = once(client, 'close');
      await server.close();
      expect((await closed)[0]).toBe(1006);
      await until(() => expect(handlers.closed).toHaveLength(1));
      const again = await create().listen({ ...OPTIONS, port }, handlers);
      if (!again.ok) throw new Error(again.error.message);
      server = again.value;
      await openClient('/again');
    });

    it('is left to others when it stops listening, while the sockets go on', async () => {
      const shared: ListenOptions = { ...OPTIONS, port: server.port, shared: true };
      await server.close();
      const listening = await create().listen(shared, handlers);
      if (!listening.ok) throw new Error(listening.error.message);
      server = listening.value;
      handlers.received = (socket, data) => socket.send(data, true);
      const client = await openClient();
      server.stopListening();
      server.stopListening();
      await expect(openClient('/refused')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      const next = await create().listen(shared, new RecordingHandlers());
      if (!next.ok) throw new Error(next.error.message);
      await openClient('/next');
      client.send('still here');
      expect(String((await once(client, 'message'))[0])).toBe('still here');
      const closed = once(client, 'close');
      await server.close();
      expect((await closed)[0]).toBe(1006);
      await next.value.close();
    });
  });
}
