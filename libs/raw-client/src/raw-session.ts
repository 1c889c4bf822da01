import { err, ok, type Cancel, type DeviceId, type Result, type Timers } from '@millrace/kernel';
import {
  decodeServerFrames,
  encodeClientFrames,
  frameError,
  joinEncoded,
  protocolLimits,
  reconnectAfter,
  subprotocols,
  type ClientFrame,
  type Connected,
  type Encoded,
  type Encoding,
  type ErrorCode,
  type ServerFrame,
} from '@millrace/protocol';
import { WebSocket, type ClientOptions, type RawData } from 'ws';
import type { AnswerTo, RequestContent, UnaskedFrame } from './answers.ts';
import type { SessionError } from './session-error.ts';

export interface RawSessionOptions {
  /** `ws://host:port`: the socket address. */
  readonly url: string;
  readonly token: string;
  readonly device: DeviceId;
  /** For the server's logs. */
  readonly client?: string;
  readonly encoding?: Encoding;
  readonly timers: Timers;
  /** A request that is not answered for so long ends the connection. Default 30,000. */
  readonly answerMsMax?: number;
  /** Default: the one of `ws`. Tests give one that looks at every frame. */
  readonly webSocket?: new (url: string, protocols: string[], options: ClientOptions) => WebSocket;
  readonly onUnasked?: (frame: UnaskedFrame) => void;
  /** Once, when a session that was open is over. */
  readonly onClose?: (error: SessionError) => void;
}

const ANSWER_MS_MAX = 30_000;
/** Close codes of the client itself: 3000–4999 are the ones that an application may send. */
const CLOSE_NORMAL = 1000;
const CLOSE_GARBLED = 3000;
const CLOSE_NO_ANSWER = 3001;
/** Pages of 1,000 messages of 32 KiB, and what is joined with them. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

interface Waiting {
  readonly answered: (outcome: Result<ServerFrame, SessionError>) => void;
  readonly cancelDeadline: Cancel;
}

/** What the refusal of the upgrade to a socket means. */
function upgradeRefused(status: number, retryAfter: string | undefined): SessionError {
  const codes: Readonly<Record<number, ErrorCode>> = {
    401: 'unauthenticated',
    403: 'forbidden',
    404: 'not_found',
    429: 'rate_limited',
    503: 'overloaded',
  };
  const code = codes[status] ?? (status >= 500 ? 'unavailable' : 'bad_request');
  const seconds = Number(retryAfter);
  const details = retryAfter !== undefined && Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {};
  return {
    kind: 'refused',
    error: frameError(code, `the server refused the socket with HTTP status ${String(status)}`, details),
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/**
 * One connection of one device: requests and their answers, nothing kept, nothing repeated. For tools that stand for
 * thousands of users at once, and for tests that want to see every frame; a chat program uses `@millrace/client`.
 *
 * (S1) Every request is answered exactly once: by its frame, by the server's refusal, or by the end of the connection.
 */
export class RawSession {
  readonly #socket: WebSocket;
  readonly #options: RawSessionOptions;
  readonly #encoding: Encoding;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #unsent: ClientFrame[] = [];
  #ended: SessionError | undefined;
  #connected: Connected | undefined;

  private constructor(options: RawSessionOptions) {
    this.#options = options;
    this.#encoding = options.encoding ?? 'binary';
    const Socket = options.webSocket ?? WebSocket;
    this.#socket = new Socket(options.url, [subprotocols[this.#encoding]], {
      perMessageDeflate: false,
      maxPayload: PAYLOAD_BYTES_MAX,
      handshakeTimeout: options.answerMsMax ?? ANSWER_MS_MAX,
    });
    this.#socket.binaryType = 'nodebuffer';
  }

  /** Opens a socket and introduces the device; never rejects. */
  static connect(options: RawSessionOptions): Promise<Result<RawSession, SessionError>> {
    const session = new RawSession(options);
    return session.#open();
  }

  /** What the server said to the connect frame. */
  get connected(): Connected {
    if (this.#connected === undefined) throw new Error('a session is handed out only when it is connected');
    return this.#connected;
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  async #open(): Promise<Result<RawSession, SessionError>> {
    const opened = await new Promise<Result<null, SessionError>>((resolve) => {
      let failure = '';
      let refusal: SessionError | undefined;
      this.#socket.on('open', () => {
        resolve(ok(null));
      });
      this.#socket.on('unexpected-response', (request, response) => {
        refusal = upgradeRefused(response.statusCode ?? 0, response.headers['retry-after']);
        response.resume();
        request.destroy();
        this.#finish(refusal);
        resolve(err(refusal));
      });
      this.#socket.on('error', (error) => {
        failure = error.message;
      });
      this.#socket.on('close', (code, reason) => {
        const text = reason.length > 0 ? reason.toString('utf8') : failure;
        const lost: SessionError = { kind: 'lost', closeCode: code, reason: text, reconnect: reconnectAfter(code) };
        this.#finish(refusal ?? lost);
        resolve(err(refusal ?? lost));
      });
      this.#socket.on('message', (data, isBinary) => {
        this.#received(bytesOf(data), isBinary);
      });
    });
    if (!opened.ok) return opened;
    const { token, device, client } = this.#options;
    const answer = await this.request({ t: 'connect', token, device, ...(client === undefined ? {} : { client }) });
    if (answer.ok) {
      this.#connected = answer.value;
      return ok(this);
    }
    this.close();
    return answer;
  }

  /** Sends a request; resolves with its answer, or why there is none. Never rejects. */
  request<Request extends RequestContent>(content: Request): Promise<Result<AnswerTo<Request>, SessionError>> {
    return new Promise((resolve) => {
      if (this.#ended !== undefined) {
        resolve(err(this.#ended));
        return;
      }
      this.#lastId += 1;
      const id = this.#lastId;
      const cancelDeadline = this.#options.timers.after(this.#options.answerMsMax ?? ANSWER_MS_MAX, () => {
        this.#fail(CLOSE_NO_ANSWER, `no answer to a ${content.t} frame in time`);
      });
      const answered = (outcome: Result<ServerFrame, SessionError>): void => {
        cancelDeadline();
        resolve(outcome as Result<AnswerTo<Request>, SessionError>);
      };
      this.#waiting.set(id, { answered, cancelDeadline });
      this.#submit({ ...content, id });
    });
  }

  /** Frames of one turn of the event loop travel in one WebSocket message. */
  #submit(frame: ClientFrame): void {
    this.#unsent.push(frame);
    if (this.#unsent.length > 1) return;
    queueMicrotask(() => {
      const frames = this.#unsent;
      this.#unsent = [];
      if (this.#ended === undefined) this.#sendJoined(frames);
    });
  }

  /** As few WebSocket messages as the server's limits allow. */
  #sendJoined(frames: readonly ClientFrame[]): void {
    const bytesMax = this.#connected?.limits.frameBytes ?? protocolLimits.frameBytes;
    let joined: Encoded[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (joined.length > 0) this.#socket.send(joinEncoded(joined, this.#encoding));
      joined = [];
      bytes = 0;
    };
    for (const frame of frames) {
      const encoded = encodeClientFrames([frame], this.#encoding);
      // One more for the comma or the bracket between them in JSON.
      const size = (typeof encoded === 'string' ? Buffer.byteLength(encoded) : encoded.length) + 1;
      if (bytes + size >= bytesMax || joined.length === protocolLimits.framesPerMessage) flush();
      joined.push(encoded);
      bytes += size;
    }
    flush();
  }

  #received(bytes: Uint8Array, isBinary: boolean): void {
    const data = isBinary ? bytes : new TextDecoder().decode(bytes);
    const frames = decodeServerFrames(data, this.#encoding);
    if (!frames.ok) {
      this.#fail(CLOSE_GARBLED, 'the server sent a frame that cannot be read');
      return;
    }
    for (const frame of frames.value) this.#take(frame);
  }

  #take(frame: ServerFrame): void {
    const id = 'id' in frame ? frame.id : undefined;
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) {
      // An answer that nothing waits for cannot be: ids are ours. What is left was not asked for.
      this.#options.onUnasked?.(frame as UnaskedFrame);
      return;
    }
    this.#waiting.delete(id);
    waiting.answered(frame.t === 'error' ? err({ kind: 'refused', error: frame }) : ok(frame));
  }

  #fail(closeCode: number, reason: string): void {
    this.#finish({ kind: 'lost', closeCode, reason, reconnect: 'backoff' });
    this.#socket.terminate();
  }

  #finish(error: SessionError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const waiting of this.#waiting.values()) waiting.answered(err(error));
    this.#waiting.clear();
    if (this.#connected !== undefined) this.#options.onClose?.(error);
  }

  /** Ends the connection; requests without an answer are `lost`. */
  close(): void {
    this.#finish({ kind: 'lost', closeCode: CLOSE_NORMAL, reason: 'closed here', reconnect: 'never' });
    this.#socket.close(CLOSE_NORMAL);
  }

  /** Cuts the connection without a word, as a crash would. */
  cut(): void {
    this.#finish({ kind: 'lost', closeCode: 1006, reason: 'cut here', reconnect: 'backoff' });
    this.#socket.terminate();
  }
}
