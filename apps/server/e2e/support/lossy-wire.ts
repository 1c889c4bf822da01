import type { WebSocketConstructor } from '@millrace/client';
import { decodeServerFrames, type ServerFrame } from '@millrace/protocol';
import { CheckedWebSocket } from './checked-web-socket.ts';

/** What one device is sent by the server: a test looks at it, and may have `live` frames lost on their way. */
export class LossyWire {
  readonly frames: ServerFrame[] = [];
  losesLive = false;
  /** Messages of the server that were lost. */
  lost = 0;

  get webSocket(): WebSocketConstructor {
    const isLost = (data: unknown, isBinary: unknown): boolean =>
      this.#isLost(data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Buffer), isBinary === true);
    class LossyWebSocket extends CheckedWebSocket {
      override emit(event: string | symbol, ...args: unknown[]): boolean {
        return (event === 'message' && isLost(args[0], args[1])) || super.emit(event, ...args);
      }
    }
    return LossyWebSocket;
  }

  count(t: ServerFrame['t']): number {
    return this.frames.filter((frame) => frame.t === t).length;
  }

  #isLost(data: Uint8Array, isBinary: boolean): boolean {
    const text = (): string => new TextDecoder().decode(data);
    const frames = isBinary ? decodeServerFrames(data, 'binary') : decodeServerFrames(text(), 'json');
    if (!frames.ok) throw new Error('the server has sent what cannot be decoded');
    const isLost = this.losesLive && frames.value.every(({ t }) => t === 'live');
    if (isLost) this.lost += 1;
    else this.frames.push(...frames.value);
    return isLost;
  }
}
