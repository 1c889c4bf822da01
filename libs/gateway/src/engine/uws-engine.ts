import { createServer } from 'node:net';
import { err, ok, type Result, type Timers } from '@millrace/kernel';
import { Turnstile, type TurnstileLimits } from './turnstile.ts';
import { NOT_A_SOCKET, offeredProtocols, statusLine } from './http-refusal.ts';
import type { EngineHandlers, EngineServer, ListenError, ListenOptions, SocketEngine } from './socket-engine.ts';
import { TurnQueue } from './turn-queue.ts';
import type { UwsApi, UwsApp, UwsBehavior, UwsResponse } from './uws-api.ts';
import { bytesOf, UwsSocket, type UwsUserData } from './uws-socket.ts';

/** Some milliseconds of work in a turn of the event loop. */
const TURNSTILE: TurnstileLimits = { entering: 32, everyMs: 20, waitMs: 3_000 };

class UwsServer<Context> implements EngineServer {
  readonly port: number;
  readonly #uws: UwsApi;
  readonly #app: UwsApp;
  readonly #turn: TurnQueue<UwsSocket<Context>>;
  readonly #turnstile: Turnstile;
  readonly #timers: Timers;
  /** Null once it is closed: the library must not be given it again. */
  #listenSocket: unknown;

  constructor(
    uws: UwsApi,
    app: UwsApp,
    listenSocket: unknown,
    turn: TurnQueue<UwsSocket<Context>>,
    turnstile: Turnstile,
    timers: Timers,
  ) {
    this.port = uws.us_socket_local_port(listenSocket);
    this.#uws = uws;
    this.#app = app;
    this.#listenSocket = listenSocket;
    this.#turn = turn;
    this.#turnstile = turnstile;
    this.#timers = timers;
  }

  publish(topic: string, data: string | Uint8Array, isBinary: boolean): void {
    this.#app.publish(topic, bytesOf(data), isBinary, false);
  }

  flush(): void {
    this.#turn.flush();
  }

  stopListening(): void {
    if (this.#listenSocket !== null) this.#uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = null;
  }

  close(): Promise<void> {
    this.#listenSocket = null;
    this.#turnstile.stop();
    this.#app.close();
    // The library gives the port back when this turn of the event loop ends.
    return new Promise((resolve) => {
      this.#timers.soon(resolve);
    });
  }
}

function refuse(response: UwsResponse, status: number, message: string, retryAfterS?: number): void {
  response.writeStatus(statusLine(status)).writeHeader('Content-Type', 'text/plain; charset=utf-8');
  if (status === 426) response.writeHeader('Upgrade', 'websocket');
  if (retryAfterS !== undefined) response.writeHeader('Retry-After', String(retryAfterS));
  response.end(`${message}\n`, true);
}

/**
 * The library lets several programs share a port, and its option not to also forbids to take back a port that closed
 * connections still linger on, as after a restart. So Node, which does neither, is asked first.
 */
function portProblem(host: string, port: number): Promise<ListenError | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'address_in_use' : 'cannot_listen';
      resolve({ code, message: error.message });
    });
    probe.listen({ host, port, exclusive: true }, () => {
      probe.close(() => {
        resolve(null);
      });
    });
  });
}

/** The library's memory is gone when its handler returns. A small copy shares the memory of others. */
function copyOf(message: ArrayBuffer): Uint8Array {
  const copy = Buffer.allocUnsafe(message.byteLength);
  copy.set(new Uint8Array(message));
  return copy;
}

/**
 * The engine in C++, where its binary loads. Its own limit on a slow upgrade request, 10 s, is not configurable, nor is
 * that for a peer which does not answer a close frame, about 4 s.
 */
export class UwsEngine implements SocketEngine {
  readonly name = 'uws';
  readonly #uws: UwsApi;
  readonly #timers: Timers;

  constructor(uws: UwsApi, timers: Timers) {
    this.#uws = uws;
    this.#timers = timers;
  }

  async listen<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
  ): Promise<Result<EngineServer, ListenError>> {
    const { host, port } = options;
    // On Linux the library listens with SO_REUSEPORT: the kernel spreads the connections over those who do.
    const problem = options.shared ? null : await portProblem(host, port);
    if (problem !== null) return err(problem);
    const turn = new TurnQueue<UwsSocket<Context>>(this.#timers, (socket) => {
      socket.flush();
    });
    const app = this.#uws.App();
    // The library accepts as long as there is one to accept. What it gives `filter` stays valid behind that call in this
    // version; where it does not, the test of a crowd is red.
    const turnstile = new Turnstile(this.#timers, TURNSTILE);
    app.filter((response, count) => {
      if (count > 0) turnstile.accepted(response);
      // Not yet: of one that is about to go it is told before it says so itself.
      else this.#timers.soon(() => turnstile.entered());
    });
    app.ws('/*', this.#behavior(options, handlers, turn, turnstile));
    app.any('/*', (response) => {
      refuse(response, 426, NOT_A_SOCKET.trimEnd());
    });
    return new Promise((resolve) => {
      app.listen(host, port, (listenSocket) => {
        if (listenSocket === false) {
          resolve(err({ code: 'cannot_listen', message: `cannot listen on ${host} port ${String(port)}` }));
          return;
        }
        resolve(ok(new UwsServer(this.#uws, app, listenSocket, turn, turnstile, this.#timers)));
      });
    });
  }

  #behavior<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
    turn: TurnQueue<UwsSocket<Context>>,
    turnstile: Turnstile,
  ): UwsBehavior<UwsUserData<Context>> {
    return {
      maxPayloadLength: options.maxFrameBytes,
      maxBackpressure: options.maxSendBufferBytes,
      closeOnBackpressureLimit: false,
      idleTimeout: 0,
      maxLifetime: 0,
      sendPingsAutomatically: false,
      compression: this.#uws.DISABLED,
      // At once: of a socket that was upgraded later, corked as it must be, the library may read the state of a request
      // where there is none any more, and close it (uNetworking/uWebSockets#1928).
      upgrade: (response, request, context) => {
        const header = (name: string): string | null => request.getHeader(name) || null;
        const answer = handlers.onUpgrade({
          origin: header('origin'),
          protocols: offeredProtocols(request.getHeader('sec-websocket-protocol')),
          ip: Buffer.from(response.getRemoteAddressAsText()).toString(),
          forwardedFor: header('x-forwarded-for'),
          path: request.getUrl(),
        });
        if (!answer.accept) {
          refuse(response, answer.status, answer.message, answer.retryAfterS);
          return;
        }
        const userData: UwsUserData<Context> = { context: answer.context, socket: undefined, isEntering: true };
        response.upgrade(userData, request.getHeader('sec-websocket-key'), answer.subprotocol, '', context);
      },
      open: (handle) => {
        const socket = new UwsSocket(handle, options, turn, this.#timers);
        handle.getUserData().socket = socket;
        handlers.onOpen(socket);
      },
      message: (handle, message, isBinary) => {
        const userData = handle.getUserData();
        const { socket } = userData;
        if (userData.isEntering) {
          userData.isEntering = false;
          turnstile.entered();
        }
        if (socket?.isOpen === true) handlers.onMessage(socket, copyOf(message), isBinary);
      },
      drain: (handle) => {
        const { socket } = handle.getUserData();
        if (socket?.drained() === true) handlers.onDrain(socket);
      },
      dropped: (handle) => {
        const { socket } = handle.getUserData();
        if (socket?.isOpen !== true) return;
        socket.passedOver();
        handlers.onDropped(socket);
      },
      close: (handle, code) => {
        const { socket, isEntering } = handle.getUserData();
        if (isEntering) turnstile.entered();
        if (socket === undefined) return;
        socket.gone();
        handlers.onClose(socket, code);
      },
    };
  }
}
