import { WebSocket, type RawData } from 'ws';
import { decodeBinary, encodeBinary } from './binary.ts';
import { frameProblem } from './frame-check.ts';
import {
  answerOf,
  ConnectionLost,
  Refused,
  type Answers,
  type ClientFrame,
  type ErrorFrame,
  type RequestName,
  type ServerFrame,
  type UnaskedFrame,
} from './frames.ts';

export type Encoding = 'json' | 'bin';
export type AnswerOf<T extends RequestName> = Answers[(typeof answerOf)[T]];

export interface ConnectionEvents {
  unasked(frame: UnaskedFrame): void;
  closed(code: number): void;
}

interface Waiting {
  readonly t: RequestName;
  readonly resolve: (answer: ServerFrame) => void;
  readonly reject: (error: Error) => void;
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/**
 * One WebSocket: frames out, answers matched to their requests by `id`, every frame of the server held against the
 * page. It knows nothing of messages or inboxes.
 */
export class Connection {
  /** What the server sent against the page. */
  readonly problems: string[] = [];
  /** Errors without an `id`. */
  readonly strayErrors: ErrorFrame[] = [];
  readonly closed: Promise<number>;
  framesChecked = 0;
  readonly #socket: WebSocket;
  readonly #encoding: Encoding;
  readonly #events: ConnectionEvents;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened: Promise<void>;
  readonly #answers = new Set<Promise<unknown>>();
  #lastId = 0;
  #heardAt = performance.now();

  constructor(url: string, encoding: Encoding, events: ConnectionEvents) {
    this.#encoding = encoding;
    this.#events = events;
    this.#socket = new WebSocket(url, [`millrace.v1.${encoding}`], { perMessageDeflate: false });
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.once('open', resolve);
      this.#socket.once('error', reject);
    });
    this.#opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', (code) => {
        for (const { reject } of this.#waiting.values()) reject(new ConnectionLost(code));
        this.#waiting.clear();
        events.closed(code);
        resolve(code);
      });
    });
    // An error is followed by `close`, which tells what to do.
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (data, isBinary) => this.#receive(bytesOf(data), isBinary));
  }

  /** @throws when the upgrade was refused. */
  async open(): Promise<void> {
    await this.#opened;
    if (this.#socket.protocol !== `millrace.v1.${this.#encoding}`)
      this.problems.push(`the server chose the subprotocol "${this.#socket.protocol}"`);
    if (this.#socket.extensions !== '') this.problems.push(`extensions: ${this.#socket.extensions}`);
  }

  /** Sends a request. @throws Refused with the error frame, or ConnectionLost when no answer came. */
  request<T extends RequestName>(t: T, fields: object = {}): Promise<AnswerOf<T>> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<AnswerOf<T>>((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new ConnectionLost(1006));
        return;
      }
      this.#waiting.set(id, { t, resolve: (answer) => resolve(answer as unknown as AnswerOf<T>), reject });
      this.send({ t, id, ...fields });
    });
    this.#answers.add(answer);
    const forget = (): boolean => this.#answers.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  /** For how long the server has said nothing, in milliseconds. */
  get silentMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Sends frames joined into one message. */
  send(...frames: readonly ClientFrame[]): void {
    if (this.#encoding === 'bin') this.raw(Buffer.concat(frames.map(encodeBinary)));
    else this.raw(JSON.stringify(frames.length === 1 ? frames[0] : frames));
  }

  /** Sends a message as it is, be it a frame or not. */
  raw(message: string | Buffer): void {
    this.#socket.send(message);
  }

  /** Resolves when no request is without its answer. */
  async settled(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.allSettled(this.#answers);
  }

  close(): void {
    this.#socket.close(1000);
  }

  /** Ends the connection without a word, as a lost network does. */
  drop(): void {
    this.#socket.terminate();
  }

  #receive(message: Buffer, isBinary: boolean): void {
    this.#heardAt = performance.now();
    if (isBinary !== (this.#encoding === 'bin')) this.problems.push('a message of the other encoding');
    let frames: readonly ServerFrame[];
    try {
      frames = isBinary ? decodeBinary(message) : this.#parse(message);
    } catch (error) {
      this.problems.push(`a message that cannot be read: ${String(error)}`);
      this.#socket.close();
      return;
    }
    for (const frame of frames) this.#handle(frame);
  }

  #parse(message: Buffer): readonly ServerFrame[] {
    const parsed = JSON.parse(message.toString('utf8')) as ServerFrame | ServerFrame[];
    const frames = Array.isArray(parsed) ? parsed : [parsed];
    if (frames.length < 1 || frames.length > 256) this.problems.push(`an array of ${frames.length} frames`);
    return frames;
  }

  #handle(frame: ServerFrame): void {
    this.framesChecked += 1;
    const problem = frameProblem(frame);
    if (problem !== undefined) this.problems.push(problem);
    if ('id' in frame) this.#answer(frame.id, frame);
    else if (frame.t === 'error') this.strayErrors.push(frame);
    else this.#events.unasked(frame);
  }

  #answer(id: number, frame: ServerFrame): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      // A test may send a frame of its own making, which nothing waits for.
      if (frame.t === 'error') this.strayErrors.push(frame);
      else this.problems.push(`an answer that nothing waits for: ${JSON.stringify(frame)}`);
      return;
    }
    this.#waiting.delete(id);
    if (frame.t === 'error') waiting.reject(new Refused(frame));
    else {
      const expected = answerOf[waiting.t];
      if (frame.t !== expected) this.problems.push(`${waiting.t} was answered by ${frame.t}, not ${expected}`);
      waiting.resolve(frame);
    }
  }
}
