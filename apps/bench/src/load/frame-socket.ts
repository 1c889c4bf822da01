import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;
const OPCODE_PONG = 10;
const MASK_BYTES = 4;
const READ_BYTES = 256 * 1024;
/** Of all sockets: what is read is looked at before anything else is, so one buffer does, and it stays in the cache. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

export interface FrameSocketHandlers {
  /** A whole message. `bytes` is valid during the call only. */
  message(bytes: Uint8Array): void;
  /** Once, also when the connection was refused. */
  closed(reason: string): void;
}

/** A frame of a client: masked, as it must be, with a mask of zeros, which leaves the payload as it is. */
export function clientFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extended + MASK_BYTES + length);
  frame[0] = 0x80 | opcode;
  if (extended === 0) {
    frame[1] = 0x80 | length;
  } else if (extended === 2) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.fill(0, 2 + extended, 2 + extended + MASK_BYTES);
  frame.set(payload, 2 + extended + MASK_BYTES);
  return frame;
}

/** Cuts what a server sends into frames, however the network has cut it. Exported for its test. */
export class FrameReader {
  readonly #onFrame: (opcode: number, isLast: boolean, payload: Uint8Array) => void;
  #rest: Buffer | null = null;

  constructor(onFrame: (opcode: number, isLast: boolean, payload: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const left = bytes.length - at;
      if (left < 2) break;
      const first = bytes[at] ?? 0;
      let length = (bytes[at + 1] ?? 0) & 0x7f;
      let header = 2;
      if (length === 126) {
        if (left < 4) break;
        length = bytes.readUInt16BE(at + 2);
        header = 4;
      } else if (length === 127) {
        if (left < 10) break;
        length = Number(bytes.readBigUInt64BE(at + 2));
        header = 10;
      }
      if (left < header + length) break;
      this.#onFrame(first & 0x0f, (first & 0x80) !== 0, bytes.subarray(at + header, at + header + length));
      at += header + length;
    }
    // A copy: the chunk's memory is read into again.
    this.#rest = at === bytes.length ? null : Buffer.from(bytes.subarray(at));
  }
}

/**
 * A WebSocket client that costs as little as can be, so that the load does not take the server's core: no masking work,
 * frames of one turn in one write, one read buffer for all. For loopback and trusted networks; the protocol is the public one.
 */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #handlers: FrameSocketHandlers;
  readonly #reader: FrameReader;
  #fragments: Buffer[] = [];
  #unsent: Uint8Array[] = [];
  #isOpen = false;
  #isClosed = false;
  #head = '';
  #opened: ((reason: string | null) => void) | null = null;

  private constructor(
    url: URL,
    subprotocol: string | null,
    handlers: FrameSocketHandlers,
    localAddress: string | null,
  ) {
    this.#handlers = handlers;
    this.#reader = new FrameReader((opcode, isLast, payload) => {
      this.#frame(opcode, isLast, payload);
    });
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      ...(localAddress === null ? {} : { localAddress }),
      onread: {
        buffer: readBuffer,
        callback: (length, read) => {
          this.#read(Buffer.from(read.buffer, read.byteOffset, length));
          return true;
        },
      },
    });
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () => {
      this.#socket.write(
        `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
          (subprotocol === null ? '\r\n' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`),
      );
    });
    this.#socket.on('error', (error) => {
      this.#end(error.message);
    });
    this.#socket.on('close', () => {
      this.#end('the connection ended');
    });
  }

  /**
   * Rejects when the server does not take the connection.
   *
   * @param subprotocol - null: none is asked for.
   * @param localAddress - of this end; null leaves it to the system.
   */
  static open(
    url: string,
    subprotocol: string | null,
    handlers: FrameSocketHandlers,
    localAddress: string | null = null,
  ): Promise<FrameSocket> {
    return new Promise((resolve, reject) => {
      const socket = new FrameSocket(new URL(url), subprotocol, handlers, localAddress);
      socket.#opened = (reason) => {
        if (reason === null) resolve(socket);
        else reject(new Error(`${url}: ${reason}`));
      };
    });
  }

  #read(chunk: Buffer): void {
    if (this.#isOpen) {
      this.#reader.read(chunk);
      return;
    }
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const status = this.#head.slice(0, this.#head.indexOf('\r\n'));
    if (!status.includes(' 101 ')) {
      this.#end(status);
      this.#socket.destroy();
      return;
    }
    this.#isOpen = true;
    this.#opened?.(null);
    this.#opened = null;
    const rest = Buffer.from(this.#head.slice(end + 4), 'latin1');
    if (rest.length > 0) this.#reader.read(rest);
  }

  #frame(opcode: number, isLast: boolean, payload: Uint8Array): void {
    if (opcode === OPCODE_PING) {
      this.#write(clientFrame(OPCODE_PONG, payload));
    } else if (opcode === OPCODE_CLOSE) {
      const code = payload.length >= 2 ? (payload[0] ?? 0) * 256 + (payload[1] ?? 0) : 1005;
      this.#end(`closed by the server: ${String(code)} ${Buffer.from(payload.subarray(2)).toString('utf8')}`);
      this.#socket.destroy();
    } else if (opcode !== OPCODE_PONG) {
      if (isLast && this.#fragments.length === 0) {
        this.#handlers.message(payload);
        return;
      }
      this.#fragments.push(Buffer.from(payload));
      if (!isLast) return;
      const whole = Buffer.concat(this.#fragments);
      this.#fragments = [];
      this.#handlers.message(whole);
    }
  }

  send(payload: Uint8Array): void {
    this.#write(clientFrame(OPCODE_BINARY, payload));
  }

  sendText(text: string): void {
    this.#write(clientFrame(OPCODE_TEXT, Buffer.from(text)));
  }

  #write(frame: Uint8Array): void {
    this.#unsent.push(frame);
    if (this.#unsent.length > 1) return;
    queueMicrotask(() => {
      const frames = this.#unsent;
      this.#unsent = [];
      const [first] = frames;
      if (this.#isClosed || first === undefined) return;
      this.#socket.write(frames.length === 1 ? first : Buffer.concat(frames));
    });
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#opened?.(reason);
    this.#opened = null;
    this.#handlers.closed(reason);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.end(clientFrame(OPCODE_CLOSE, new Uint8Array([0x03, 0xe8])));
    this.#socket.resume();
  }
}
