import type { Result } from '@millrace/kernel';

/** What is known of a connection before it becomes a socket. */
export interface UpgradeRequest {
  /** Of a browser; programs that are none send no origin. */
  readonly origin: string | null;
  /** The names in `Sec-WebSocket-Protocol`, in the client's order. */
  readonly protocols: readonly string[];
  /** The peer's address, as the system tells it. */
  readonly ip: string;
  /** `X-Forwarded-For` as it came: to be believed only when `ip` is a proxy of ours. */
  readonly forwardedFor: string | null;
  /** Without the query. */
  readonly path: string;
}

export type UpgradeAnswer<Context> =
  | {
      readonly accept: true;
      /** One of those that were offered. */
      readonly subprotocol: string;
      /** Kept with the socket as {@link EngineSocket.context}. */
      readonly context: Context;
    }
  | {
      readonly accept: false;
      /** HTTP status, 400..599. */
      readonly status: number;
      /** The body, a line for people. */
      readonly message: string;
      readonly retryAfterS?: number;
    };

/**
 * - `sent`: taken, and nothing waits for the peer.
 * - `buffered`: taken, behind bytes that the peer has not taken yet; {@link EngineHandlers.onDrain} will tell.
 * - `dropped`: not taken. `maxSendBufferBytes` or more wait already, or the socket is closing.
 */
export type SendOutcome = 'sent' | 'buffered' | 'dropped';

export interface EngineSocket<Context> {
  readonly context: Context;
  /**
   * Takes one message. It is taken whole or not at all, and however large it is when less than `maxSendBufferBytes`
   * wait: so the buffer is over its bound by one message at most. `data` must not be changed afterwards.
   */
  send(data: string | Uint8Array, isBinary: boolean): SendOutcome;
  /** Bytes that were taken and that the system has not; those which wait for the end of the turn are among them. */
  bufferedBytes(): number;
  /**
   * Sends what was taken before, then the close frame. A peer that does not take them, or does not answer, is cut off
   * after `closeMs`. From this call on nothing is sent or received any more. Closing twice does nothing.
   *
   * @param code - 1000 or 4000..4999.
   * @param reason - at most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
}

/** Called by an engine, one at a time. None may throw. A socket is the same object in all calls. */
export interface EngineHandlers<Context> {
  /** Decides at once. After an acceptance {@link onOpen} follows before this turn ends, or the connection is gone. */
  onUpgrade(request: UpgradeRequest): UpgradeAnswer<Context>;
  onOpen(socket: EngineSocket<Context>): void;
  /** A whole message; a text as its UTF-8, checked. The bytes belong to the receiver. */
  onMessage(socket: EngineSocket<Context>, data: Uint8Array, isBinary: boolean): void;
  /** Bytes waited for the peer, and now none do. Not called for a socket that is closing. */
  onDrain(socket: EngineSocket<Context>): void;
  /** A published message passed this subscriber over: `maxSendBufferBytes` or more wait for it. */
  onDropped(socket: EngineSocket<Context>): void;
  /**
   * Exactly once after {@link onOpen}, when the socket is gone.
   *
   * @param code - ours when we closed, the peer's when it did, 1006 when the connection was lost or cut; an engine may
   *   also tell 1006 for a peer's code of 1012..3999.
   */
  onClose(socket: EngineSocket<Context>, code: number): void;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. A port that another program listens on is refused, unless it is `shared`. */
  readonly port: number;
  /**
   * Whether other processes of this server listen on the port, too, and each connection goes to one of them. Only for a
   * port that is named and was looked at before: what else listens there may not be noticed.
   */
  readonly shared: boolean;
  /** A peer that sends a longer message is cut off: code 1009, or no code at all. */
  readonly maxFrameBytes: number;
  readonly maxSendBufferBytes: number;
  /** From the connection to the end of the upgrade request. An engine may have a shorter limit of its own. */
  readonly handshakeMs: number;
  readonly closeMs: number;
}

export interface EngineServer {
  readonly port: number;
  /**
   * Sends one message to whoever subscribes to the topic at the moment. It is framed once for all of them. Order is kept among the
   * publishes of a topic and among the sends to a socket, not between the two. Large publishes in one turn block the
   * event loop when they leave: spread them.
   */
  publish(topic: string, data: string | Uint8Array, isBinary: boolean): void;
  /** Writes now what waits for the end of the turn, for a caller who knows that nothing more is to come. */
  flush(): void;
  /** Takes no connection any more, and leaves the sockets as they are. Twice does nothing. */
  stopListening(): void;
  /** Cuts off every socket and gives the port back. */
  close(): Promise<void>;
}

export interface ListenError {
  readonly code: 'address_in_use' | 'cannot_listen';
  readonly message: string;
}

/**
 * WebSockets on one port. What is sent to a socket within one turn of the event loop leaves in one write: separate
 * writes are what a gateway mostly spends its time on. Compression is never negotiated. A request that is no WebSocket
 * upgrade is answered 426. Pings of a peer are answered; idleness is the user's matter, except for what `handshakeMs`
 * and `closeMs` bound.
 *
 * `testing/engine-conformance.ts` holds every implementation to this page.
 */
export interface SocketEngine {
  readonly name: 'uws' | 'ws';
  listen<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
  ): Promise<Result<EngineServer, ListenError>>;
}
