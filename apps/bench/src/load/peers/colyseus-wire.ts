import { FrameSocket } from '../frame-socket.ts';
import { addressFor, localAddressFor, type LoadPlan } from '../load-plan.ts';
import { putU32, u32At } from '../relay-frames.ts';
import type { Wire, WireSink } from '../wire.ts';

/*
 * Colyseus over a WebSocket. A seat in the room is reserved over HTTP; then a frame begins with what it is:
 *
 *   10 …                      the room was joined; the client says 10, too
 *   11 …                      refused
 *   17 · type · bytes         a message; a type below 128 is a byte
 *
 * The types are those of `apps/bench/peers/colyseus.mjs`.
 */

const JOIN = 10;
const REFUSED = 11;
const BYTES = 17;
const TYPE = { send: 1, message: 2, ack: 3 } as const;
const TO_ALL = 0xffff_ffff;
const HEAD_BYTES = 2;
const SEND_HEAD_BYTES = HEAD_BYTES + 8;
const SEAT_MS_MAX = 30_000;

/** @param room - `ws://host:port/process/room`. @returns where to connect to. */
async function reserveSeat(room: string, user: number): Promise<string> {
  const { host, pathname } = new URL(room);
  const roomId = pathname.split('/').at(-1) ?? '';
  const response = await fetch(`http://${host}/matchmake/joinById/${roomId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
    signal: AbortSignal.timeout(SEAT_MS_MAX),
  });
  const { sessionId, error } = (await response.json()) as { readonly sessionId?: string; readonly error?: string };
  if (sessionId === undefined) throw new Error(`Colyseus reserves no seat: ${error ?? String(response.status)}`);
  return `${room}?sessionId=${sessionId}`;
}

/** Speaks to the peer of `apps/bench/peers/colyseus.mjs`. */
export function colyseusWire(plan: LoadPlan, sink: WireSink): Wire {
  return {
    async open(user) {
      let settle: (error: Error | null) => void = () => undefined;
      const joined = new Promise<void>((resolve, reject) => {
        settle = (error) => {
          if (error === null) resolve();
          else reject(error);
        };
      });
      const handlers = {
        message(bytes: Uint8Array) {
          if (bytes[0] === BYTES && bytes[1] === TYPE.ack) sink.acked(user, u32At(bytes, HEAD_BYTES));
          else if (bytes[0] === BYTES && bytes[1] === TYPE.message) sink.delivered(user, bytes, HEAD_BYTES);
          else if (bytes[0] === JOIN) settle(null);
          else if (bytes[0] === REFUSED) settle(new Error(Buffer.from(bytes).toString('latin1')));
        },
        closed(reason: string) {
          settle(new Error(reason));
          sink.broken(user, reason);
        },
      };
      const address = await reserveSeat(addressFor(plan, user), user);
      const socket = await FrameSocket.open(address, null, handlers, localAddressFor(plan, user));
      await joined;
      socket.send(new Uint8Array([JOIN]));
      return socket;
    },
    // Everybody is in the room, and what is broadcast in it comes to everybody.
    show: () => Promise.resolve(),
    lobbies: () => Promise.resolve(),
    // The server asks by itself whether a connection is there.
    alive: () => Promise.resolve(),
    ping: () => undefined,
    write(socket, stream, n, payload) {
      const frame = new Uint8Array(SEND_HEAD_BYTES + payload.length);
      frame[0] = BYTES;
      frame[1] = TYPE.send;
      putU32(frame, HEAD_BYTES, n);
      putU32(frame, HEAD_BYTES + 4, plan.streams[stream]?.peer ?? TO_ALL);
      frame.set(payload, SEND_HEAD_BYTES);
      socket.send(frame);
    },
  };
}
