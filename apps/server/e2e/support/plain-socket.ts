import { once } from 'node:events';
import { decodeServerFrames, subprotocols, type Encoding } from '@millrace/protocol';
import { WebSocket, type ClientOptions } from 'ws';
import { frameCheck } from './frame-check.ts';

/** A frame of the server as it came, by field. */
export type PlainFrame = Readonly<Record<string, unknown>>;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export interface PlainSocketOptions extends ClientOptions {
  readonly encoding?: Encoding;
}

function bytesOf(data: WebSocket.RawData): Buffer {
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
}

/**
 * A WebSocket that sends exactly what a test says, right or wrong, and keeps what came back. The frames of the
 * server are held against the published schema.
 */
export class PlainSocket {
  readonly #socket: WebSocket;
  readonly frames: PlainFrame[] = [];
  readonly closed: Promise<Closed>;
  #isClosed = false;
  #wake: () => void = () => undefined;
  #lastId = 1_000_000;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => {
      this.#received(bytesOf(data), isBinary);
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  /** Opens a socket and says nothing. @throws when the upgrade is refused. */
  static async open(url: string, { encoding = 'json', ...options }: PlainSocketOptions = {}): Promise<PlainSocket> {
    const socket = new WebSocket(url, [subprotocols[encoding]], { perMessageDeflate: false, ...options });
    const plain = new PlainSocket(socket);
    await once(socket, 'open');
    return plain;
  }

  /** Opens a socket as a device. @throws when the server does not let it in. */
  static async connect(
    url: string,
    token: string,
    device: string,
    options: PlainSocketOptions = {},
  ): Promise<PlainSocket> {
    const plain = await PlainSocket.open(url, options);
    const answer = await plain.ask({ t: 'connect', token, device });
    if (answer['t'] !== 'connected') throw new Error(`not let in: ${JSON.stringify(answer)}`);
    return plain;
  }

  /** The status that an upgrade is refused with; null when it is not refused. */
  static async upgradeStatus(
    url: string,
    protocols: readonly string[],
    options: ClientOptions = {},
  ): Promise<number | null> {
    const socket = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
    return new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.on('unexpected-response', (request, response) => {
        response.resume();
        request.destroy();
        resolve(response.statusCode ?? 0);
      });
      socket.on('open', () => {
        socket.terminate();
        resolve(null);
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get extensions(): string {
    return this.#socket.extensions;
  }

  /** A text message, or a binary one, as it is. */
  send(message: string | Uint8Array): void {
    this.#socket.send(message);
  }

  /** A text message of any bytes, whether they are UTF-8 or not. */
  sendAsText(bytes: Uint8Array): void {
    this.#socket.send(bytes, { binary: false });
  }

  /** A JSON frame with an id; resolves with the frame that answers it. */
  ask(frame: PlainFrame): Promise<PlainFrame> {
    this.#lastId += 1;
    const id = frame['id'] ?? this.#lastId;
    const text = JSON.stringify({ ...frame, id });
    if (this.#socket.protocol === subprotocols.json) {
      this.send(text);
    } else {
      const payload = Buffer.from(text);
      const header = Buffer.alloc(12);
      header.writeUInt32BE(payload.length, 0);
      header.writeUInt32BE(Number(id), 8);
      this.send(Buffer.concat([header, payload]));
    }
    return this.until((answer) => answer['id'] === id);
  }

  /** The first frame that has come, or will come, and is as asked. @throws when the socket closes first. */
  async until(matches: (frame: PlainFrame) => boolean): Promise<PlainFrame> {
    for (let looked = 0; ;) {
      for (; looked < this.frames.length; looked += 1) {
        const frame = this.frames[looked];
        if (frame !== undefined && matches(frame)) return frame;
      }
      if (this.#isClosed)
        throw new Error(`the socket closed (${JSON.stringify(await this.closed)}) before that frame came`);
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before();
          resolve();
        };
      });
    }
  }

  /** Stops reading from the TCP connection, so that what the server sends piles up on its side. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  cut(): void {
    this.#socket.terminate();
  }

  #received(data: Buffer, isBinary: boolean): void {
    const message = isBinary ? data : data.toString();
    frameCheck.check('server', message, this.#socket.protocol);
    if (typeof message === 'string') {
      const value = JSON.parse(message) as PlainFrame | PlainFrame[];
      this.frames.push(...(Array.isArray(value) ? value : [value]));
    } else {
      const frames = decodeServerFrames(message, 'binary');
      if (frames.ok) this.frames.push(...(frames.value as unknown as PlainFrame[]));
    }
    const wake = this.#wake;
    this.#wake = () => undefined;
    wake();
  }
}
