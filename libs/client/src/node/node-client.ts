import { MessageChannel } from 'node:worker_threads';
import type { MillraceClientOptions } from '../api.ts';
import { MillraceClient } from '../millrace-client.ts';
import { nodeWebSocket } from './node-web-socket.ts';

/**
 * A client over `ws`, on every Node. While it waits to reconnect it keeps the process alive, as an open socket does;
 * `close()` lets the process end.
 */
export function nodeClient(options: MillraceClientOptions): MillraceClient {
  const client = new MillraceClient({ webSocket: nodeWebSocket, ...options });
  let alive: MessageChannel | null = null;
  client.on('state', (state) => {
    if (state === 'closed') {
      alive?.port1.close();
      alive = null;
    } else if (alive === null) {
      // A port that is listened to holds the event loop open, and costs nothing.
      alive = new MessageChannel();
      alive.port1.ref();
    }
  });
  return client;
}
