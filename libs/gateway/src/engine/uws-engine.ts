import { err, ok, type Result, type Timers } from '@millrace/kernel';
import { NOT_A_SOCKET, offeredProtocols, statusLine } from './http-refusal.ts';
import type { EngineHandlers, EngineServer, ListenError, ListenOptions, SocketEngine } from './socket-engine.ts';
import { TurnQueue } from './turn-queue.ts';
import type { UwsApi, UwsApp, UwsBehavior, UwsResponse } from './uws-api.ts';
import { bytesOf, UwsSocket, type UwsUserData } from './uws-socket.ts';

class UwsServer<Context> implements EngineServer {
  readonly port: number;
  readonly #app: UwsApp;
  readonly #turn: TurnQueue<UwsSocket<Context>>;

  constructor(port: number, app: UwsApp, turn: TurnQueue<UwsSocket<Context>>) {
    this.port = port;
    this.#app = app;
    this.#turn = turn;
  }

  publish(topic: string, data: string | Uint8Array, isBinary: boolean): void {
    this.#app.publish(topic, bytesOf(data), isBinary, false);
  }

  flush(): void {
    this.#turn.flush();
  }

  close(): Promise<void> {
    this.#app.close();
    return Promise.resolve();
  }
}

function refuse(response: UwsResponse, status: number, message: string, retryAfterS?: number): void {
  response.writeStatus(statusLine(status)).writeHeader('Content-Type', 'text/plain; charset=utf-8');
  if (status === 426) response.writeHeader('Upgrade', 'websocket');
  if (retryAfterS !== undefined) response.writeHeader('Retry-After', String(retryAfterS));
  response.end(`${message}\n`, true);
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

  listen<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
  ): Promise<Result<EngineServer, ListenError>> {
    const turn = new TurnQueue<UwsSocket<Context>>(this.#timers, (socket) => {
      socket.flush();
    });
    const app = this.#uws.App();
    app.ws('/*', this.#behavior(options, handlers, turn));
    app.any('/*', (response) => {
      refuse(response, 426, NOT_A_SOCKET.trimEnd());
    });
    return new Promise((resolve) => {
      const { host, port } = options;
      app.listen(host, port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (listenSocket) => {
        if (listenSocket === false) {
          const message = `cannot listen on ${host} port ${String(port)}: it is in use, or not an address of this machine`;
          resolve(err({ code: 'address_in_use', message }));
          return;
        }
        resolve(ok(new UwsServer(this.#uws.us_socket_local_port(listenSocket), app, turn)));
      });
    });
  }

  #behavior<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
    turn: TurnQueue<UwsSocket<Context>>,
  ): UwsBehavior<UwsUserData<Context>> {
    return {
      maxPayloadLength: options.maxFrameBytes,
      maxBackpressure: options.maxSendBufferBytes,
      closeOnBackpressureLimit: false,
      idleTimeout: 0,
      maxLifetime: 0,
      sendPingsAutomatically: false,
      compression: this.#uws.DISABLED,
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
        const userData: UwsUserData<Context> = { context: answer.context };
        response.upgrade(userData, request.getHeader('sec-websocket-key'), answer.subprotocol, '', context);
      },
      open: (handle) => {
        const socket = new UwsSocket(handle, options, turn, this.#timers);
        handle.getUserData().socket = socket;
        handlers.onOpen(socket);
      },
      message: (handle, message, isBinary) => {
        const { socket } = handle.getUserData();
        // The memory is the library's again after this call.
        if (socket?.isOpen === true) handlers.onMessage(socket, new Uint8Array(message.slice(0)), isBinary);
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
        const { socket } = handle.getUserData();
        if (socket === undefined) return;
        socket.gone();
        handlers.onClose(socket, code);
      },
    };
  }
}
