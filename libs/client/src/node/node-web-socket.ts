import { WebSocket } from 'ws';
import type { WebSocketConstructor } from '../connection/web-socket.ts';

/** `ws`, as the client wants it: without compression, which costs more than it saves on small frames. */
class NodeWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false });
  }
}

export const nodeWebSocket = NodeWebSocket as WebSocketConstructor;
