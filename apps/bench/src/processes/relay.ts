import { pickEngine, type EngineSocket } from '@millrace/gateway';
import { systemTimers } from '@millrace/kernel';
import {
  RELAY_ALL,
  RELAY_HELLO_HEAD_BYTES,
  RELAY_SEND_HEAD_BYTES,
  RELAY_SUBPROTOCOL,
  helloFrame,
  relayAck,
  relayDelivery,
  relayKind,
  u32At,
} from '../load/relay-frames.ts';
import type { EngineChoice } from '../options.ts';

const EVERYONE = 'everyone';
const roomTopic = (room: number): string => `room-${String(room)}`;
/** A floor that drops would be no floor: the load's window bounds what can be under way. */
const SEND_BUFFER_BYTES_MAX = 256 * 1024 * 1024;
const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 1_000;

interface Connection {
  user: number;
}

export interface Relay {
  readonly port: number;
  readonly engine: string;
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The floor: passes messages on in memory, over the same socket engine that a server would use. */
export async function startRelay(choice: EngineChoice): Promise<Relay> {
  const picked = pickEngine(choice, systemTimers, silent);
  if (!picked.ok) throw new Error(picked.error);
  const sockets: (EngineSocket<Connection> | undefined)[] = [];
  const listening = await picked.value.listen<Connection>(
    {
      host: '127.0.0.1',
      port: 0,
      shared: false,
      maxFrameBytes: 65_536,
      maxSendBufferBytes: SEND_BUFFER_BYTES_MAX,
      handshakeMs: HANDSHAKE_MS,
      closeMs: CLOSE_MS,
    },
    {
      onUpgrade: () => ({ accept: true, subprotocol: RELAY_SUBPROTOCOL, context: { user: 0 } }),
      onOpen: () => undefined,
      onMessage(socket, data) {
        if (data[0] === relayKind.hello) {
          const { context } = socket;
          context.user = u32At(data, 1);
          sockets[context.user] = socket;
          socket.subscribe(EVERYONE);
          for (let at = RELAY_HELLO_HEAD_BYTES; at < data.length; at += 4) socket.subscribe(roomTopic(u32At(data, at)));
          socket.send(helloFrame(context.user), true);
          return;
        }
        const to = u32At(data, 5);
        const delivery = relayDelivery(data.subarray(RELAY_SEND_HEAD_BYTES));
        if (data[0] === relayKind.publish) server.publish(roomTopic(to), delivery, true);
        else if (to === RELAY_ALL) server.publish(EVERYONE, delivery, true);
        else sockets[to]?.send(delivery, true);
        socket.send(relayAck(u32At(data, 1)), true);
      },
      onDrain: () => undefined,
      onDropped: () => undefined,
      onClose(socket) {
        sockets[socket.context.user] = undefined;
      },
    },
  );
  if (!listening.ok) throw new Error(listening.error.message);
  const server = listening.value;
  return { port: server.port, engine: picked.value.name };
}
