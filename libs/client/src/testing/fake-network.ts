import type { Cancel, Clock, Timers } from '@millrace/kernel';
import { decodeClientFrames, encodeServerFrames, type WireEntry, type ServerFrame } from '@millrace/protocol';
import type { WebSocketConstructor, WebSocketLike } from '../connection/web-socket.ts';
import type { ModelServer, ModelSession } from './model-server.ts';

/** Time that stands still until it is moved. */
export class ManualTime implements Clock, Timers {
  #now = 0;
  readonly #due = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return 1_700_000_000_000 + this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { atMs: this.#now + Math.max(0, delayMs), callback };
    this.#due.add(timer);
    return () => this.#due.delete(timer);
  }

  soon(callback: () => void): void {
    this.after(0, callback);
  }

  /** Runs what is due within the next `ms`, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const next = [...this.#due].filter(({ atMs }) => atMs <= until).sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.atMs);
      next.callback();
      await settled();
    }
    this.#now = until;
    await settled();
  }
}

/** Every promise that can go on has: a turn of the event loop comes after all microtasks. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * Sockets between clients and a {@link ModelServer} whose messages move only when told: so that a test decides what is
 * under way when a connection is cut.
 */
export class FakeNetwork {
  up = true;
  readonly server: ModelServer;
  readonly sockets = new Set<FakeSocket>();
  readonly webSocket: WebSocketConstructor;

  constructor(server: ModelServer) {
    this.server = server;
    const connect = (socket: FakeSocket): void => {
      this.sockets.add(socket);
    };
    this.webSocket = class extends FakeSocket {
      constructor(_url: string, protocols: string[]) {
        super(protocols[0] === 'millrace.v1.json' ? 'json' : 'binary');
        connect(this);
      }
    };
  }

  /** Moves the oldest message of each socket one hop, in the given direction. @returns whether anything moved. */
  move(direction: 'up' | 'down'): boolean {
    let moved = false;
    for (const socket of [...this.sockets]) {
      if (!this.up || socket.over) socket.cut(this.server);
      if (socket.over) this.sockets.delete(socket);
      else moved = (direction === 'up' ? socket.moveUp(this.server) : socket.moveDown()) || moved;
    }
    return moved;
  }

  /** What was under way is lost, in both directions. */
  cut(): void {
    for (const socket of this.sockets) socket.cut(this.server);
    this.sockets.clear();
  }

  /** The server closes every connection. */
  close(code: number): void {
    for (const socket of this.sockets) socket.cut(this.server, code);
    this.sockets.clear();
  }

  /** The server says something to everybody. */
  tell(frame: ServerFrame<WireEntry>): void {
    for (const socket of this.sockets) socket.tell(frame);
  }

  /** Moves everything until nothing is under way any more. */
  async drain(): Promise<void> {
    for (;;) {
      await settled();
      const up = this.move('up');
      const down = this.move('down');
      if (!up && !down) return;
    }
  }
}

class FakeSocket implements WebSocketLike {
  binaryType = '';
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  over = false;
  readonly #encoding: 'json' | 'binary';
  #opened = false;
  #session: ModelSession | null = null;
  readonly #up: (string | Uint8Array)[] = [];
  readonly #down: ServerFrame<WireEntry>[] = [];

  constructor(encoding: 'json' | 'binary') {
    this.#encoding = encoding;
  }

  send(data: string | Uint8Array): void {
    if (!this.over) this.#up.push(data);
  }

  close(): void {
    this.over = true;
  }

  moveUp(server: ModelServer): boolean {
    if (!this.#opened) {
      this.#opened = true;
      this.onopen?.({} as never);
      return true;
    }
    const data = this.#up.shift();
    if (data === undefined) return false;
    const frames = decodeClientFrames(data, this.#encoding);
    if (!frames.ok) throw new Error(frames.error.error.message);
    for (const frame of frames.value) {
      if (!frame.ok) this.#down.push(frame.error);
      else if (frame.value.t === 'connect') this.#session = server.connect(frame.value, (one) => this.#down.push(one));
      else if (this.#session !== null) server.receive(this.#session, frame.value);
    }
    return true;
  }

  moveDown(): boolean {
    const frame = this.#down.shift();
    if (frame === undefined) return false;
    const message = encodeServerFrames([frame], this.#encoding);
    this.onmessage?.({ data: typeof message === 'string' ? message : message.slice().buffer } as never);
    return true;
  }

  tell(frame: ServerFrame<WireEntry>): void {
    this.#down.push(frame);
  }

  cut(server: ModelServer, code = 1006): void {
    if (this.#session !== null) server.sessions.delete(this.#session);
    if (this.over) return;
    this.over = true;
    this.onclose?.({ code, reason: '' } as never);
  }
}
