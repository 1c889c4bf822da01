import { once } from 'node:events';
import {
  decodeServerFrames,
  encodeClientFrames,
  subprotocols,
  type ClientFrame,
  type Encoding,
  type ServerFrame,
} from '@millrace/protocol';
import { expect, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connectFrame } from './test-gateway.ts';

export const until = <T>(condition: () => T): Promise<T> => vi.waitFor(condition, { timeout: 20_000, interval: 5 });

/** A real client: what it was sent, and how it was closed. */
export class SocketClient {
  readonly frames: ServerFrame[] = [];
  closedWith: number | null = null;
  readonly socket: WebSocket;
  readonly #encoding: Encoding;

  constructor(port: number, encoding: Encoding) {
    this.#encoding = encoding;
    this.socket = new WebSocket(`ws://127.0.0.1:${String(port)}/`, [subprotocols[encoding]]);
    this.socket.on('message', (data: Buffer, isBinary) => {
      const frames = decodeServerFrames(isBinary ? data : data.toString(), encoding);
      if (!frames.ok) throw new Error(frames.error.message);
      this.frames.push(...frames.value);
    });
    this.socket.on('close', (code) => (this.closedWith = code));
    this.socket.on('error', () => undefined);
  }

  async open(token: string): Promise<this> {
    await once(this.socket, 'open');
    this.says(connectFrame(token));
    await until(() => expect(this.got('connected')).toHaveLength(1));
    return this;
  }

  says(...frames: ClientFrame[]): void {
    this.socket.send(encodeClientFrames(frames, this.#encoding));
  }

  got<T extends ServerFrame['t']>(t: T): Extract<ServerFrame, { t: T }>[] {
    return this.frames.filter((frame): frame is Extract<ServerFrame, { t: T }> => frame.t === t);
  }
}
