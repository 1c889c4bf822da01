import { FrameSocket } from '../frame-socket.ts';
import { addressFor, localAddressFor, type LoadPlan } from '../load-plan.ts';
import { PAYLOAD_HEAD_CHARS } from '../payload.ts';
import type { Wire, WireSink } from '../wire.ts';

/*
 * Socket.IO 4 over a WebSocket, as its protocol's documentation has it: Engine.IO says what a text frame is by its first
 * character, Socket.IO by the next.
 *
 *   0{…}                         Engine.IO: open
 *   2, 3                         Engine.IO: ping of the server, pong
 *   40{"user":7}                 a connection to the namespace, answered by 40{"sid":…}
 *   42<id>["send",to,"body"]     an event that is acknowledged by 43<id>[]
 *   42["message","body",…]       an event from the server
 */

const CONNECTED = '40{';
const REFUSED = '44{';
const PING = '2'.charCodeAt(0);
const PACKET = '4'.charCodeAt(0);
const EVENT = '2'.charCodeAt(0);
const ACK = '3'.charCodeAt(0);
const DIGIT_0 = '0'.charCodeAt(0);
const DIGIT_9 = '9'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const MESSAGE_HEAD = '42["message","';
const ascii = new TextDecoder('latin1');

/**
 * Where a body begins that is a JSON string in `bytes`, as the generator reads it: of the characters of a body JSON
 * escapes only the backslash, and only the head of a body is read.
 *
 * @param into - takes the body when its head has to be put together.
 * @returns what holds the body, and from where.
 */
export function unescapedBody(
  bytes: Uint8Array,
  from: number,
  into: Uint8Array,
): { readonly bytes: Uint8Array; readonly from: number } {
  const escape = bytes.indexOf(BACKSLASH, from);
  if (escape < 0 || escape >= from + PAYLOAD_HEAD_CHARS) return { bytes, from };
  let at = from;
  for (let index = 0; index < PAYLOAD_HEAD_CHARS; index += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    into[index] = bytes[at] ?? 0;
    at += 1;
  }
  return { bytes: into, from: 0 };
}

/** Speaks to the peer of `apps/bench/peers/socket-io.mjs`. */
export function socketIoWire(plan: LoadPlan, sink: WireSink): Wire {
  const body = new Uint8Array(plan.payloadBytes);
  return {
    async open(user) {
      let settle: (error: Error | null) => void = () => undefined;
      const connected = new Promise<void>((resolve, reject) => {
        settle = (error) => {
          if (error === null) resolve();
          else reject(error);
        };
      });
      const handlers = {
        message(bytes: Uint8Array) {
          if (bytes[0] === PING) {
            socket.sendText('3');
          } else if (bytes[0] === PACKET && bytes[1] === ACK) {
            let n = 0;
            for (let at = 2; ; at += 1) {
              const digit = bytes[at] ?? 0;
              if (digit < DIGIT_0 || digit > DIGIT_9) break;
              n = n * 10 + digit - DIGIT_0;
            }
            sink.acked(user, n);
          } else if (bytes[0] === PACKET && bytes[1] === EVENT) {
            const found = unescapedBody(bytes, MESSAGE_HEAD.length, body);
            sink.delivered(user, found.bytes, found.from);
          } else {
            const text = ascii.decode(bytes);
            if (text.startsWith(CONNECTED)) settle(null);
            else if (text.startsWith(REFUSED)) settle(new Error(`Socket.IO refuses the connection: ${text}`));
          }
        },
        closed(reason: string) {
          settle(new Error(reason));
          sink.broken(user, reason);
        },
      };
      const socket = await FrameSocket.open(addressFor(plan, user), null, handlers, localAddressFor(plan, user));
      socket.sendText(`40${JSON.stringify({ user })}`);
      await connected;
      return socket;
    },
    // Everybody is in the room, and what is sent to it comes to everybody.
    show: () => Promise.resolve(),
    lobbies: () => Promise.resolve(),
    // The server asks by itself whether a connection is there.
    alive: () => Promise.resolve(),
    ping: () => undefined,
    write(socket, stream, n, payload) {
      const to = plan.streams[stream]?.peer ?? null;
      socket.sendText(`42${String(n)}${JSON.stringify(['send', to, ascii.decode(payload)])}`);
    },
  };
}
