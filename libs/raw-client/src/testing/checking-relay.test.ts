import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { subprotocols } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws';
import { CheckingRelay } from './checking-relay.ts';

const { json, binary } = subprotocols;
const PING = '{"t":"ping","id":1}';
const PONG = '{"t":"pong","id":1,"serverTime":1}';

/** A server of nothing but sockets, which a test holds in its hands. */
class Upstream {
  readonly http: Server = createServer((_request, response) => response.writeHead(418).end('no page here'));
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: (names) => [...names].at(-1) ?? false });
  readonly requests: IncomingMessage[] = [];
  readonly #accepted: WebSocket[] = [];
  #wake: () => void = () => undefined;
  refusal: string | null = null;
  url = '';

  constructor() {
    this.http.on('upgrade', (request, socket, head) => {
      this.requests.push(request);
      if (this.refusal !== null) {
        socket.end(this.refusal);
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (peer) => {
        peer.on('error', () => undefined);
        this.#accepted.push(peer);
        this.#wake();
      });
    });
  }

  async listen(): Promise<void> {
    this.http.listen(0, '127.0.0.1');
    await once(this.http, 'listening');
    this.url = `ws://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  async accepted(): Promise<WebSocket> {
    for (;;) {
      const peer = this.#accepted.shift();
      if (peer !== undefined) return peer;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async close(): Promise<void> {
    for (const peer of this.#sockets.clients) peer.terminate();
    this.http.close();
    this.http.closeAllConnections();
    await once(this.http, 'close');
  }
}

/** The next messages of a socket: text as a string, bytes as they are. */
function messagesOf(socket: WebSocket, count: number): Promise<(string | Buffer)[]> {
  const messages: (string | Buffer)[] = [];
  return new Promise((resolve) => {
    socket.on('message', (data: Buffer, isBinary) => {
      messages.push(isBinary ? data : data.toString());
      if (messages.length === count) resolve(messages);
    });
  });
}

const closeOf = (socket: WebSocket): Promise<[number, string]> =>
  new Promise((resolve) => {
    socket.once('close', (code, reason) => {
      resolve([code, reason.toString()]);
    });
  });

let upstream: Upstream;
let relay: CheckingRelay;
beforeEach(async () => {
  upstream = new Upstream();
  await upstream.listen();
  relay = await CheckingRelay.start(() => upstream.url);
});
afterEach(async () => {
  await relay.close();
  await upstream.close();
});

function dial(path = '/', protocols: string[] = [json], options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(relay.url + path, protocols, { perMessageDeflate: false, ...options });
  socket.on('error', () => undefined);
  return socket;
}

async function open(...args: Parameters<typeof dial>): Promise<{ client: WebSocket; server: WebSocket }> {
  const client = dial(...args);
  await once(client, 'open');
  return { client, server: await upstream.accepted() };
}

describe('a checking relay', () => {
  it('asks the server for what the client asks, and answers what the server chose', async () => {
    const { client } = await open('/chat?x=1', [json, binary], { origin: 'http://page.example' });
    expect(client.protocol).toBe(binary);
    expect(client.extensions).toBe('');
    const [{ url, headers } = {}] = upstream.requests;
    expect([url, headers?.origin]).toEqual(['/chat?x=1', 'http://page.example']);
    await open();
    expect(upstream.requests[1]?.headers.origin).toBe(undefined);
  });

  it('passes messages on in both directions, in order, text as text and bytes as bytes', async () => {
    const { client, server } = await open();
    const sent = [PING, Buffer.from([1, 2, 3]), '', 'a ☃', Buffer.alloc(100_000, 7), PING];
    const [atServer, atClient] = [messagesOf(server, sent.length), messagesOf(client, sent.length)];
    for (const message of sent) client.send(message);
    for (const message of sent) server.send(message);
    expect(await atServer).toEqual(sent);
    expect(await atClient).toEqual(sent);
  });

  it('holds every frame against the schema, joined ones too', async () => {
    const { client, server } = await open();
    const atClient = messagesOf(client, 2);
    client.send(PING);
    await messagesOf(server, 1);
    server.send(`[${PONG},${PONG}]`);
    server.send('{"t":"pong","id":1}');
    await atClient;
    const { problems, checkedByName } = relay.takeFrameCheck();
    expect(checkedByName).toEqual({ 'client ping': 1, 'server pong': 3 });
    expect(problems).toEqual([expect.stringMatching(/^server pong: .*serverTime/)]);
  });

  it('passes pings and pongs on', async () => {
    const { client, server } = await open();
    client.ping('are you there');
    const [asked] = (await once(server, 'ping')) as [Buffer];
    const [answered] = (await once(client, 'pong')) as [Buffer];
    expect([asked.toString(), answered.toString()]).toEqual(['are you there', 'are you there']);
  });

  it('answers a refused upgrade as the server did', async () => {
    upstream.refusal = 'HTTP/1.1 503 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy';
    const client = dial();
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    expect([response.statusCode, response.statusMessage]).toEqual([503, 'Too Many']);
    expect(response.headers).toMatchObject({ 'retry-after': '7', 'content-length': '4' });
    expect(Buffer.concat(await response.toArray()).toString()).toBe('busy');
    client.terminate();
  });

  it('says so when the server does not answer an upgrade', async () => {
    const silent = createTcpServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const impatient = await CheckingRelay.start(() => `ws://127.0.0.1:${String(port)}`, 50);
    const client = new WebSocket(impatient.url, json);
    client.on('error', () => undefined);
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(502);
    expect(response.statusMessage).toMatch(/^No way to the server: .*handshake has timed out$/);
    client.terminate();
    await impatient.close();
    silent.close();
  });

  it.each<[number | undefined, string, number]>([
    [4201, 'expired', 4201],
    [1000, '', 1000],
    [undefined, '', 1005],
  ])('passes a close with code %s and "%s" on, from either side', async (code, reason, seen) => {
    const first = await open();
    const atClient = closeOf(first.client);
    first.server.close(code, reason);
    expect(await atClient).toEqual([seen, reason]);
    const second = await open();
    const atServer = closeOf(second.server);
    second.client.close(code, reason);
    expect(await atServer).toEqual([seen, reason]);
  });

  it('delivers what was sent before a close', async () => {
    const { client, server } = await open();
    const [messages, closed] = [messagesOf(client, 100), closeOf(client)];
    for (let n = 0; n < 100; n += 1) server.send(PONG);
    server.close(4000, 'draining');
    expect(await messages).toHaveLength(100);
    expect(await closed).toEqual([4000, 'draining']);
  });

  it('cuts one side when the other is cut', async () => {
    const first = await open();
    const atClient = closeOf(first.client);
    first.server.terminate();
    expect(await atClient).toEqual([1006, '']);
    const second = await open();
    const atServer = closeOf(second.server);
    second.client.terminate();
    expect(await atServer).toEqual([1006, '']);
  });

  it('cuts a client when nobody listens, and finds the server when it is back elsewhere', async () => {
    await upstream.close();
    expect(await closeOf(dial())).toEqual([1006, '']);
    upstream = new Upstream();
    await upstream.listen();
    const { client } = await open();
    expect(client.readyState).toBe(WebSocket.OPEN);
  });

  it('reads no more from a side than the other one takes', async () => {
    const { client, server } = await open();
    const count = 64;
    client.pause();
    for (let n = 0; n < count; n += 1) server.send(Buffer.alloc(1024 * 1024));
    // Until nothing moves any more, over many turns of all three.
    for (let unmoved = 0, before = 0; unmoved < 100; unmoved += 1) {
      client.send(PING);
      await once(server, 'message');
      if (server.bufferedAmount !== before) unmoved = 0;
      before = server.bufferedAmount;
    }
    expect(server.bufferedAmount).toBeGreaterThan(16 * 1024 * 1024);
    const all = messagesOf(client, count);
    client.resume();
    expect(await all).toHaveLength(count);
  });

  it('passes a plain request on, too', async () => {
    const answer = await fetch(relay.url.replace('ws', 'http'));
    expect([answer.status, await answer.text()]).toEqual([418, 'no page here']);
  });

  it('that is closed has cut everyone', async () => {
    const { client, server } = await open();
    const both = Promise.all([closeOf(client), closeOf(server)]);
    await relay.close();
    expect(await both).toEqual([
      [1006, ''],
      [1006, ''],
    ]);
    relay = await CheckingRelay.start(() => null);
    expect(await closeOf(dial())).toEqual([1006, '']);
  });
});
