import { ok, type Result } from '@millrace/kernel';
import {
  decodeServerFrames,
  encodeClientFrames,
  subprotocols,
  type ClientFrame,
  type Encoding,
  type ServerFrame,
} from '@millrace/protocol';
import type {
  EngineHandlers,
  EngineServer,
  EngineSocket,
  ListenError,
  ListenOptions,
  SendOutcome,
  SocketEngine,
  UpgradeAnswer,
  UpgradeRequest,
} from '../engine/socket-engine.ts';

/** The peer of a socket that is there only in memory: reads at once, until a test tells it not to. */
export class MemoryPeer implements EngineSocket<unknown> {
  readonly context: unknown;
  readonly frames: ServerFrame[] = [];
  /** WebSocket messages that came. */
  messages = 0;
  closedWith: { readonly code: number; readonly reason: string } | null = null;
  isReading = true;
  readonly topics = new Set<string>();
  #unread: (string | Uint8Array)[] = [];
  readonly #encoding: Encoding;
  readonly #boundBytes: number;
  readonly #handlers: EngineHandlers<unknown>;

  constructor(context: unknown, encoding: Encoding, boundBytes: number, handlers: EngineHandlers<unknown>) {
    this.context = context;
    this.#encoding = encoding;
    this.#boundBytes = boundBytes;
    this.#handlers = handlers;
  }

  send(data: string | Uint8Array): SendOutcome {
    if (this.closedWith !== null || this.bufferedBytes() >= this.#boundBytes) return 'dropped';
    if (this.isReading) this.#read(data);
    else this.#unread.push(data);
    return this.isReading ? 'sent' : 'buffered';
  }

  bufferedBytes(): number {
    return this.#unread.reduce((sum, data) => sum + data.length, 0);
  }

  close(code: number, reason: string): void {
    this.closedWith ??= { code, reason };
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }

  /** A message to everybody who listens. */
  published(data: string | Uint8Array): void {
    if (this.closedWith === null && this.send(data) === 'dropped') this.#handlers.onDropped(this);
  }

  /** Takes what was left unread, and goes on reading. */
  resume(): void {
    this.isReading = true;
    const unread = this.#unread;
    this.#unread = [];
    for (const data of unread) this.#read(data);
    if (this.closedWith === null) this.#handlers.onDrain(this);
  }

  says(...frames: ClientFrame[]): void {
    const data = encodeClientFrames(frames, this.#encoding);
    this.saysBytes(typeof data === 'string' ? Buffer.from(data) : data);
  }

  saysBytes(data: Uint8Array, isBinary = this.#encoding === 'binary'): void {
    if (this.closedWith === null) this.#handlers.onMessage(this, data, isBinary);
  }

  /** The connection ends: by itself, or as the gateway wanted. */
  hangUp(code = this.closedWith?.code ?? 1006): void {
    this.#handlers.onClose(this, code);
  }

  /** Frames of one kind that came, in order. */
  got<T extends ServerFrame['t']>(t: T): Extract<ServerFrame, { t: T }>[] {
    return this.frames.filter((frame): frame is Extract<ServerFrame, { t: T }> => frame.t === t);
  }

  #read(data: string | Uint8Array): void {
    const frames = decodeServerFrames(data, this.#encoding);
    if (!frames.ok) throw new Error(frames.error.message);
    this.messages += 1;
    this.frames.push(...frames.value);
  }
}

/** An engine without a network, for tests of what is built on the port. */
export class MemoryEngine implements SocketEngine {
  readonly name = 'ws';
  isListening = false;
  /** Messages that were published. */
  published = 0;
  readonly #peers = new Set<MemoryPeer>();
  #handlers: EngineHandlers<unknown> | null = null;
  #options: ListenOptions | null = null;

  listen<Context>(
    options: ListenOptions,
    handlers: EngineHandlers<Context>,
  ): Promise<Result<EngineServer, ListenError>> {
    this.#options = options;
    this.#handlers = handlers;
    const server = {
      port: 7401,
      publish: (topic: string, data: string | Uint8Array) => {
        this.published += 1;
        for (const peer of this.#peers) if (peer.topics.has(topic)) peer.published(data);
      },
      flush: () => undefined,
      stopListening: () => {
        this.isListening = false;
      },
      close: () => Promise.resolve(),
    };
    this.isListening = true;
    return Promise.resolve(ok(server));
  }

  upgrade(request: Partial<UpgradeRequest> = {}): UpgradeAnswer<unknown> {
    const usual = { origin: null, protocols: [subprotocols.json], ip: '192.0.2.1', forwardedFor: null, path: '/' };
    return this.#listening().handlers.onUpgrade({ ...usual, ...request });
  }

  open(encoding: Encoding = 'json', request: Partial<UpgradeRequest> = {}): MemoryPeer {
    const answer = this.upgrade({ protocols: [subprotocols[encoding]], ...request });
    if (!answer.accept) throw new Error(answer.message);
    const { handlers, options } = this.#listening();
    const peer = new MemoryPeer(answer.context, encoding, options.maxSendBufferBytes, handlers);
    this.#peers.add(peer);
    handlers.onOpen(peer);
    return peer;
  }

  #listening(): { readonly handlers: EngineHandlers<unknown>; readonly options: ListenOptions } {
    if (this.#handlers === null || this.#options === null) throw new Error('nobody listens');
    return { handlers: this.#handlers, options: this.#options };
  }
}
