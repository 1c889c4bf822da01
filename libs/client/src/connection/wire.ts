import { err, ok, utf8, type Result } from '@millrace/kernel';
import {
  decodeServerFrames,
  encodeClientFrames,
  subprotocols,
  type ClientFrame,
  type Encoding,
  type ServerFrame,
} from '@millrace/protocol';

export { subprotocols, type Encoding };

interface Encoded {
  readonly messages: readonly (string | Uint8Array)[];
  /** Alone over the bound: not in `messages`. */
  readonly tooLarge: readonly ClientFrame[];
}

/** Frames joined into one WebSocket message. */
const FRAMES_MAX = 128;

/** Joins frames into as few WebSocket messages as `frameBytes` allows, in order. */
export function encodeWithin(frames: readonly ClientFrame[], encoding: Encoding, frameBytes: number): Encoded {
  const messages: (string | Uint8Array)[] = [];
  const tooLarge: ClientFrame[] = [];
  const encode = (some: readonly ClientFrame[]): void => {
    if (some.length === 0) return;
    const message = some.length > FRAMES_MAX ? null : encodeClientFrames(some, encoding);
    if (message !== null && sizeOf(message) <= frameBytes) {
      messages.push(message);
      return;
    }
    if (some.length === 1) {
      tooLarge.push(...some);
      return;
    }
    const half = Math.ceil(some.length / 2);
    encode(some.slice(0, half));
    encode(some.slice(half));
  };
  encode(frames);
  return { messages, tooLarge };
}

function sizeOf(message: string | Uint8Array): number {
  return typeof message === 'string' ? utf8(message).length : message.length;
}

/** Any input is answered by a value. */
export function decodeMessage(data: unknown, encoding: Encoding): Result<readonly ServerFrame[], string> {
  const message = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
  if (typeof message !== 'string' && !(message instanceof Uint8Array)) return err('neither text nor bytes');
  const frames = decodeServerFrames(message, encoding);
  return frames.ok ? ok(frames.value) : err(frames.error.message);
}
