import { FrameSocket } from './frame-socket.ts';
import { addressFor, localAddressFor, type LoadPlan } from './load-plan.ts';
import {
  RELAY_ALL,
  RELAY_DELIVERY_HEAD_BYTES,
  RELAY_SUBPROTOCOL,
  helloFrame,
  relayKind,
  relayPublish,
  relaySend,
  u32At,
} from './relay-frames.ts';
import type { Wire, WireSink } from './wire.ts';

/** Speaks to the floor's relay. */
export function relayWire(plan: LoadPlan, sink: WireSink): Wire {
  /** Told null, or why the greeting will not be answered. */
  const greeted = new Map<number, (error: Error | null) => void>();
  const greeting = (user: number): Promise<void> => {
    const answer = new Promise<void>((resolve, reject) => {
      greeted.set(user, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    // Of a connection that is not taken at all, what `open` rejects with tells more.
    answer.catch(() => undefined);
    return answer;
  };
  return {
    async open(user) {
      const answer = greeting(user);
      const handlers = {
        message(bytes: Uint8Array) {
          const kind = bytes[0];
          if (kind === relayKind.ack) sink.acked(user, u32At(bytes, 1));
          else if (kind === relayKind.delivery) sink.delivered(user, bytes, RELAY_DELIVERY_HEAD_BYTES);
          else if (kind === relayKind.hello) greeted.get(user)?.(null);
        },
        closed(reason: string) {
          greeted.get(user)?.(new Error(`user ${String(user)}: ${reason}`));
          sink.broken(user, reason);
        },
      };
      const localAddress = localAddressFor(plan, user);
      const socket = await FrameSocket.open(addressFor(plan, user), RELAY_SUBPROTOCOL, handlers, localAddress);
      socket.send(helloFrame(user, plan.lobbies?.ofUser[user]));
      await answer;
      return socket;
    },
    // Everybody gets everything, and nobody is asked whether they are there.
    show: () => Promise.resolve(),
    // A connection says with its first frame in which it is.
    lobbies: () => Promise.resolve(),
    alive(user, socket) {
      const answer = greeting(user);
      socket.send(helloFrame(user, plan.lobbies?.ofUser[user]));
      return answer;
    },
    ping: () => undefined,
    write(socket, stream, n, payload) {
      const to = plan.streams[stream]?.peer ?? RELAY_ALL;
      socket.send(plan.lobbies === null ? relaySend(n, to, payload) : relayPublish(n, stream, payload));
    },
  };
}
