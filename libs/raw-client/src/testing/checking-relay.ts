import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, type Duplex } from 'node:stream';
import { FrameCheck, type FrameReport } from '@millrace/protocol/frame-check';
import { WebSocket, WebSocketServer, type RawData } from 'ws';

/** As much as the clients take. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;
/** A side that has not taken so much stops the reading from the other one. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;
const HANDSHAKE_MS_MAX = 30_000;

/** Pings and pongs are passed on, not answered. */
const socketOptions = { perMessageDeflate: false, maxPayload: PAYLOAD_BYTES_MAX, autoPong: false } as const;

/** What WebSocket gives out for a close without a code, and for a connection that was cut; neither can be sent. */
const NO_CODE = 1005;
const CUT = 1006;

/** Of one hop only, not of the answer. */
const HOP_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

const nothing = (): void => undefined;

const bytesOf = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;

function offeredBy(request: IncomingMessage): string[] {
  const names = request.headers['sec-websocket-protocol'] ?? '';
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** What keeps the relay itself from reaching the server; not that the server is not there, or cuts it off. */
const isOwnTrouble = ({ code, message }: NodeJS.ErrnoException): boolean =>
  /^(?:EMFILE|ENFILE|EADDR)/.test(code ?? '') || message.includes('handshake has timed out');

/** The server's answer to an upgrade that it refuses, as it is. */
function passRefusal(response: IncomingMessage, socket: Duplex, done: () => void): void {
  const { statusCode = 502, statusMessage = '', rawHeaders } = response;
  socket.write(`HTTP/1.1 ${String(statusCode)} ${statusMessage}\r\n`);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!HOP_HEADERS.has(name.toLowerCase())) socket.write(`${name}: ${value}\r\n`);
  }
  socket.write('Connection: close\r\n\r\n');
  pipeline(response, socket, done);
}

function passClose(to: WebSocket, code: number, reason: Buffer): void {
  // One that is held back would not read the answer to its close frame.
  to.resume();
  if (code === CUT) to.terminate();
  else if (code === NO_CODE) to.close();
  else to.close(code, reason);
}

/**
 * Stands between a server and clients that are processes of their own, and holds every frame they exchange against
 * docs/asyncapi.yaml. A server's MILLRACE_SOCKET_URL leads its clients here.
 *
 * Both sides notice as little of it as can be: subprotocol, path, origin, a refused upgrade, the order and kind of
 * messages, pings, close codes, and connections that are cut, are what the other side made them.
 */
export class CheckingRelay {
  readonly #http: Server;
  readonly #upstream: () => string | null;
  readonly #handshakeMsMax: number;
  readonly #frames = new FrameCheck();
  readonly #sockets = new Set<Duplex>();

  private constructor(upstream: () => string | null, handshakeMsMax: number) {
    this.#upstream = upstream;
    this.#handshakeMsMax = handshakeMsMax;
    this.#http = createServer((request, response) => {
      this.#passRequest(request, response);
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head);
    });
  }

  /**
   * Listens on a loopback port. The caller closes it.
   *
   * @param upstream - the server's socket address, asked for each connection; null while there is none.
   * @param handshakeMsMax - which the server has for its answer to an upgrade.
   */
  static async start(upstream: () => string | null, handshakeMsMax = HANDSHAKE_MS_MAX): Promise<CheckingRelay> {
    const relay = new CheckingRelay(upstream, handshakeMsMax);
    relay.#http.listen(0, '127.0.0.1');
    await once(relay.#http, 'listening');
    return relay;
  }

  get url(): string {
    return `ws://127.0.0.1:${String((this.#http.address() as AddressInfo).port)}`;
  }

  /** What was found since the last time, and how much was looked at. */
  takeFrameCheck(): FrameReport {
    return this.#frames.take();
  }

  /** Cuts every connection and listens no more. */
  async close(): Promise<void> {
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** A plain request to the sockets' address, by which a client looks whether somebody is there. */
  #passRequest(request: IncomingMessage, response: ServerResponse): void {
    const upstream = this.#upstream();
    if (upstream === null) {
      response.destroy();
      return;
    }
    const { method = 'GET', headers, url = '/' } = request;
    const address = new URL(url, upstream.replace(/^ws/, 'http'));
    const asked = httpRequest(address, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    request.pipe(asked);
  }

  /** Null when there is no server, or when no WebSocket can ask it for what this client asks. */
  #connect(request: IncomingMessage): WebSocket | null {
    const upstream = this.#upstream();
    if (upstream === null) return null;
    const { origin } = request.headers;
    try {
      return new WebSocket(new URL(request.url ?? '/', upstream), offeredBy(request), {
        ...socketOptions,
        handshakeTimeout: this.#handshakeMsMax,
        ...(origin === undefined ? {} : { origin }),
      });
    } catch {
      return null;
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.add(socket);
    socket.on('error', nothing);
    socket.on('close', () => this.#sockets.delete(socket));
    const server = this.#connect(request);
    if (server === null) {
      socket.destroy();
      return;
    }
    // Until both sides are open, the end of one is the end of the other.
    const endServer = (): void => server.terminate();
    const endClient = (): void => void socket.destroy();
    socket.on('close', endServer);
    server.on('close', endClient);
    server.on('error', (error) => {
      if (!isOwnTrouble(error)) return;
      server.off('close', endClient);
      socket.end(`HTTP/1.1 502 No way to the server: ${error.message}\r\nConnection: close\r\n\r\n`);
    });
    server.on('unexpected-response', (_request, response) => {
      server.off('close', endClient);
      passRefusal(response, socket, endServer);
    });
    server.on('open', () => {
      const accepting = new WebSocketServer({
        ...socketOptions,
        noServer: true,
        clientTracking: false,
        handleProtocols: () => server.protocol,
      });
      accepting.handleUpgrade(request, socket, head, (client) => {
        socket.off('close', endServer);
        server.off('close', endClient);
        client.on('error', nothing);
        this.#pass('client', client, server);
        this.#pass('server', server, client);
      });
    });
  }

  #pass(direction: 'client' | 'server', from: WebSocket, to: WebSocket): void {
    const goOn = (): void => {
      if (from.isPaused && to.bufferedAmount <= UNSENT_BYTES_MAX) from.resume();
    };
    from.on('message', (data, isBinary) => {
      const bytes = bytesOf(data);
      to.send(bytes, { binary: isBinary }, goOn);
      if (to.bufferedAmount > UNSENT_BYTES_MAX) from.pause();
      this.#frames.check(direction, isBinary ? bytes : bytes.toString(), from.protocol);
    });
    from.on('ping', (data) => to.ping(data));
    from.on('pong', (data) => to.pong(data));
    from.on('close', (code, reason) => {
      passClose(to, code, reason);
    });
  }
}
