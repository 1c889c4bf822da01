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
  return {
    async open(user) {
      let greeted: () => void = () => undefined;
      const answer = new Promise<void>((resolve) => {
        greeted = resolve;
      });
      const handlers = {
        message(bytes: Uint8Array) {
          const kind = bytes[0];
          if (kind === relayKind.ack) sink.acked(user, u32At(bytes, 1));
          else if (kind === relayKind.delivery) sink.delivered(user, bytes, RELAY_DELIVERY_HEAD_BYTES);
          else if (kind === relayKind.hello) greeted();
        },
        closed(reason: string) {
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
    ping: () => undefined,
    encode(stream, n, payload) {
      if (plan.lobbies !== null) return relayPublish(n, stream, payload);
      return relaySend(n, plan.streams[stream]?.peer ?? RELAY_ALL, payload);
    },
  };
}
