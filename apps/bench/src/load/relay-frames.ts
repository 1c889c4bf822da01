/*
 * The protocol of the floor, as little as one can be: a connection says which user it is; a message names its number
 * and the user or the room it is for, and comes out there; its sender is told the number. Nothing is stored, nothing
 * checked.
 *
 *   client: u8 0 · u32 user · u32 room …      hello, with the rooms that it is in
 *           u8 1 · u32 n · u32 to · body      to 0xffffffff: everyone
 *           u8 4 · u32 n · u32 room · body    to all who are in it
 *   server: u8 2 · u32 n                ack
 *           u8 3 · body                 delivery
 */

export const relayKind = { hello: 0, send: 1, ack: 2, delivery: 3, publish: 4 } as const;
export const RELAY_SUBPROTOCOL = 'millrace.bench.relay';
export const RELAY_ALL = 0xffff_ffff;
export const RELAY_HELLO_HEAD_BYTES = 5;
export const RELAY_SEND_HEAD_BYTES = 9;
export const RELAY_DELIVERY_HEAD_BYTES = 1;

export const u32At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function helloFrame(user: number, rooms: readonly number[] = []): Uint8Array {
  const frame = new Uint8Array(RELAY_HELLO_HEAD_BYTES + 4 * rooms.length);
  frame[0] = relayKind.hello;
  putU32(frame, 1, user);
  for (const [at, room] of rooms.entries()) putU32(frame, RELAY_HELLO_HEAD_BYTES + 4 * at, room);
  return frame;
}

function addressed(kind: number, n: number, to: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(RELAY_SEND_HEAD_BYTES + body.length);
  frame[0] = kind;
  putU32(frame, 1, n);
  putU32(frame, 5, to);
  frame.set(body, RELAY_SEND_HEAD_BYTES);
  return frame;
}

export const relaySend = (n: number, to: number, body: Uint8Array): Uint8Array =>
  addressed(relayKind.send, n, to, body);

export const relayPublish = (n: number, room: number, body: Uint8Array): Uint8Array =>
  addressed(relayKind.publish, n, room, body);

export function relayAck(n: number): Uint8Array {
  const frame = new Uint8Array(5);
  frame[0] = relayKind.ack;
  putU32(frame, 1, n);
  return frame;
}

export function relayDelivery(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(RELAY_DELIVERY_HEAD_BYTES + body.length);
  frame[0] = relayKind.delivery;
  frame.set(body, RELAY_DELIVERY_HEAD_BYTES);
  return frame;
}
