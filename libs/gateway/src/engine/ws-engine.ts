import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { err, ok, type Result, type Timers } from '@millrace/kernel';
import { WebSocketServer, type ServerOptions } from 'ws';
import { httpRefusal, NOT_A_SOCKET, offeredProtocols } from './http-refusal.ts';
import type { EngineHandlers, EngineServer, ListenError, ListenOptions, SocketEngine } from './socket-engine.ts';
import { TurnQueue } from './turn-queue.ts';
import { serverFrame } from './ws-frame.ts';
import { WsSocket } from './ws-socket.ts';

const WEBSOCKET_KEY = /^[+/0-9A-Za-z]{22}==$/;

function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    WEBSOCKET_KEY.test(headers['sec-websocket-key'] ?? '')
  );
}

const single = (header: string | readonly string[] | undefined): string | null =>
  typeof header === 'string' ? header : (header?.join(', ') ?? null);

/** Ends a connection that is not to become a socket; its peer may be gone already. */
function refuse(stream: Duplex, answer: string): void {
  stream.on('error', () => undefined);
  stream.on('finish', () => stream.destroy());
  stream.end(answer);
}

class WsServer<Context> implements EngineServer {
  readonly port: number;
  readonly #http: Server;
  readonly #sockets: ReadonlySet<WsSocket<Context>>;
  readonly #topics: ReadonlyMap<string, ReadonlySet<WsSocket<Context>>>;
  readonly #turn: TurnQueue<WsSocket<Context>>;

  constructor(
    http: Server,
    sockets: ReadonlySet<WsSocket<Context>>,
    topics: ReadonlyMap<string, ReadonlySet<WsSocket<Context>>>,
    turn: TurnQueue<WsSocket<Context>>,
  ) {
    this.port = (http.address() as AddressInfo).port;
    this.#http = http;
    this.#sockets = sockets;
    this.#topics = topics;
    this.#turn = turn;
  }

  publish(topic: string, data: string | Uint8Array, isBinary: boolean): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) return;
    const frame = serverFrame(data, isBinary);
    for (const socket of subscribers) socket.sendFrame(frame);
  }

  flush(): void {
    this.#turn.flush();
  }

  stopListening(): void {
    if (this.#http.listening) this.#http.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#http.close(() => {
        resolve();
      });
      for (const socket of this.#sockets) socket.cut();
      this.#http.closeAllConnections();
    });
  }
}

/**
 * Connections of a crowd that wait until they are accepted: as many as the system lets (`net.core.somaxconn` on Linux). Of more than
 * wait its network stack hears nothing, and the clients' stacks try again after seconds. Node would let 511 wait, and
 * accepts one in a turn of the event loop.
 */
const BACKLOG = 65_535;

/** The engine that works everywhere: `ws` for the handshake and for what comes in, writes of its own for what goes out. */
export class WsEngine implements SocketEngine {
  readonly name = 'ws';
  readonly #timers: Timers;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  listen<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
  ): Promise<Result<EngineServer, ListenError>> {
    const sockets = new Set<WsSocket<Context>>();
    const topics = new Map<string, Set<WsSocket<Context>>>();
    const turn = new TurnQueue<WsSocket<Context>>(this.#timers, (socket) => {
      socket.flush();
    });
    const http = createServer({
      headersTimeout: options.handshakeMs,
      requestTimeout: options.handshakeMs,
      keepAliveTimeout: options.handshakeMs,
      connectionsCheckingInterval: Math.min(1_000, options.handshakeMs),
      noDelay: true,
    });
    http.on('request', (_request, response) => {
      response.writeHead(426, { Connection: 'close', Upgrade: 'websocket', 'Content-Type': 'text/plain' });
      response.end(NOT_A_SOCKET);
    });
    let subprotocol = '';
    const settings: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes,
      handleProtocols: () => subprotocol,
      closeTimeout: options.closeMs,
    };
    const webSockets = new WebSocketServer(settings);
    http.on('upgrade', (request, stream, head) => {
      if (!isWebSocketUpgrade(request)) {
        refuse(stream, httpRefusal(400, 'This is no WebSocket upgrade of version 13.'));
        return;
      }
      const { headers } = request;
      const answer = handlers.onUpgrade({
        origin: single(headers.origin),
        protocols: offeredProtocols(headers['sec-websocket-protocol']),
        ip: request.socket.remoteAddress ?? '',
        forwardedFor: single(headers['x-forwarded-for']),
        path: (request.url ?? '/').split('?', 1)[0] ?? '/',
      });
      if (!answer.accept) {
        refuse(stream, httpRefusal(answer.status, answer.message, answer.retryAfterS));
        return;
      }
      ({ subprotocol } = answer);
      webSockets.handleUpgrade(request, stream, head, (webSocket) => {
        const socket = new WsSocket({
          context: answer.context,
          webSocket,
          stream,
          maxSendBufferBytes: options.maxSendBufferBytes,
          turn,
          topics,
          handlers,
          onGone: (gone) => sockets.delete(gone),
        });
        sockets.add(socket);
        handlers.onOpen(socket);
      });
    });
    return new Promise((resolve) => {
      http.on('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'address_in_use' : 'cannot_listen';
        resolve(err({ code, message: error.message }));
      });
      // Not exclusive, a process of Node's cluster shares the port with the others: the primary hands connections out.
      http.listen({ host: options.host, port: options.port, exclusive: !options.shared, backlog: BACKLOG }, () => {
        resolve(ok(new WsServer(http, sockets, topics, turn)));
      });
    });
  }
}
