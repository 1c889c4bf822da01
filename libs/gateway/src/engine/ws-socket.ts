import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { EngineHandlers, EngineSocket, SendOutcome } from './socket-engine.ts';
import { flushedAt, type TurnQueue } from './turn-queue.ts';
import { serverFrame } from './ws-frame.ts';

/** Chunks of one turn are copied into one up to here; above, the copy costs more than writing them side by side. */
const JOINED_BYTES_MAX = 262_144;
const NOTHING = Buffer.alloc(0);

export interface WsSocketParts<Context> {
  readonly context: Context;
  readonly webSocket: WebSocket;
  /** What `webSocket` writes to. Its data frames are written here directly, joined. */
  readonly stream: Duplex;
  readonly maxSendBufferBytes: number;
  readonly turn: TurnQueue<WsSocket<Context>>;
  readonly topics: Map<string, Set<WsSocket<Context>>>;
  readonly handlers: EngineHandlers<Context>;
  readonly onGone: (socket: WsSocket<Context>) => void;
}

/**
 * (W1) Frames are written whole, so that the control frames which `ws` writes itself can only come between two.
 * (W2) No data frame is written after a close frame: only an open socket is flushed.
 */
export class WsSocket<Context> implements EngineSocket<Context> {
  readonly context: Context;
  readonly #parts: WsSocketParts<Context>;
  readonly #subscribed = new Set<string>();
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isQueued = false;
  #isWaiting = false;
  #closingCode: number | null = null;

  constructor(parts: WsSocketParts<Context>) {
    this.context = parts.context;
    this.#parts = parts;
    const { webSocket, handlers } = parts;
    webSocket.on('message', (data, isBinary) => {
      if (this.#closingCode !== null) return;
      handlers.onMessage(this, data as Buffer, isBinary);
    });
    webSocket.on('close', (code) => {
      this.#forgetTopics();
      this.#pending = [];
      this.#pendingBytes = 0;
      parts.onGone(this);
      handlers.onClose(this, code);
    });
    // What is wrong with a connection ends it, and `close` tells.
    webSocket.on('error', () => undefined);
  }

  send(data: string | Uint8Array, isBinary: boolean): SendOutcome {
    if (!this.#isOpen()) return 'dropped';
    const before = this.bufferedBytes();
    if (before >= this.#parts.maxSendBufferBytes) return 'dropped';
    this.#enqueue(serverFrame(data, isBinary));
    return this.#isWaiting ? 'buffered' : 'sent';
  }

  /** For a message that many receive: framed already. */
  sendFrame(frame: readonly Buffer[]): void {
    if (!this.#isOpen()) return;
    if (this.bufferedBytes() < this.#parts.maxSendBufferBytes) this.#enqueue(frame);
    else this.#parts.handlers.onDropped(this);
  }

  bufferedBytes(): number {
    return this.#parts.stream.writableLength + this.#pendingBytes;
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen()) return;
    this.flush();
    this.#closingCode = code;
    this.#forgetTopics();
    this.#parts.webSocket.close(code, reason);
  }

  cut(): void {
    this.#parts.webSocket.terminate();
  }

  subscribe(topic: string): void {
    if (!this.#isOpen()) return;
    const { topics } = this.#parts;
    const subscribers = topics.get(topic);
    if (subscribers === undefined) topics.set(topic, new Set([this]));
    else subscribers.add(this);
    this.#subscribed.add(topic);
  }

  unsubscribe(topic: string): void {
    if (!this.#subscribed.delete(topic)) return;
    const subscribers = this.#parts.topics.get(topic);
    subscribers?.delete(this);
    if (subscribers?.size === 0) this.#parts.topics.delete(topic);
  }

  /** Writes everything that gathered in this turn at once. */
  flush(): void {
    this.#isQueued = false;
    if (!this.#isOpen() || this.#pending.length === 0) return;
    const { stream } = this.#parts;
    const chunks = this.#pending;
    const bytes = this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    const [first] = chunks;
    if (chunks.length === 1 && first !== undefined) {
      stream.write(first);
    } else if (bytes <= JOINED_BYTES_MAX) {
      stream.write(Buffer.concat(chunks, bytes));
    } else {
      stream.cork();
      for (const chunk of chunks) stream.write(chunk);
      stream.uncork();
    }
    if (stream.writableLength > 0 && !this.#isWaiting) {
      this.#isWaiting = true;
      this.#tellWhenDrained();
    }
  }

  #isOpen(): boolean {
    const { webSocket } = this.#parts;
    return this.#closingCode === null && webSocket.readyState === webSocket.OPEN;
  }

  #enqueue(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      this.#pending.push(chunk);
      this.#pendingBytes += chunk.length;
    }
    if (this.#pendingBytes >= flushedAt(this.#parts.maxSendBufferBytes)) this.flush();
    if (this.#isQueued || this.#pending.length === 0) return;
    this.#isQueued = true;
    this.#parts.turn.add(this);
  }

  /** The stream's own `drain` comes only above its high-water mark; an empty write is answered in any case. */
  #tellWhenDrained(): void {
    const { stream, handlers } = this.#parts;
    stream.write(NOTHING, (error) => {
      if (error !== null && error !== undefined) return;
      if (stream.writableLength > 0) {
        this.#tellWhenDrained();
        return;
      }
      this.#isWaiting = false;
      if (this.#isOpen()) handlers.onDrain(this);
    });
  }

  #forgetTopics(): void {
    for (const topic of [...this.#subscribed]) this.unsubscribe(topic);
  }
}
