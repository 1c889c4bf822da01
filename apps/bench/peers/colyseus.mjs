/*
 * Colyseus over ws, with one room for everybody. Messages are bytes, so that nothing is encoded twice:
 *
 *   type 1: u32 n · u32 user, or 0xffffffff for all · body   →   type 2: body, and to its sender type 3: u32 n
 */
import { Room, Server, matchMaker } from '@colyseus/core';
import { WebSocketTransport } from '@colyseus/ws-transport';
import { failed, ready } from './ready.mjs';

const TYPE = { send: 1, message: 2, ack: 3 };
const TO_ALL = 0xffff_ffff;
const HEAD_BYTES = 8;
/** Many come at once, and wait for their turn on a busy machine. */
const SEAT_SECONDS = 60;
const PING_MS = 15_000;

class ChatRoom extends Room {
  autoDispose = false;
  users = new Map();

  onCreate() {
    this.setSeatReservationTime(SEAT_SECONDS);
    this.onMessage(TYPE.send, (client, bytes) => {
      const to = bytes.readUInt32BE(4);
      const body = bytes.subarray(HEAD_BYTES);
      if (to === TO_ALL) this.broadcastBytes(TYPE.message, body, {});
      else this.users.get(to)?.sendBytes(TYPE.message, body);
      client.sendBytes(TYPE.ack, bytes.subarray(0, 4));
    });
  }

  onJoin(client, { user }) {
    this.users.set(user, client);
  }

  onLeave(client) {
    for (const [user, one] of this.users) if (one === client) this.users.delete(user);
  }
}

async function start() {
  const transport = new WebSocketTransport({ pingInterval: PING_MS, pingMaxRetries: 4 });
  const server = new Server({ transport, greet: false, gracefullyShutdown: false });
  server.define('chat', ChatRoom);
  await server.listen(0, '127.0.0.1');
  const { port } = transport.server.address();
  const { processId, roomId } = await matchMaker.createRoom('chat', {});
  ready({ websocket: `ws://127.0.0.1:${port}/${processId}/${roomId}`, engine: 'ws' });
}

start().catch(failed);
