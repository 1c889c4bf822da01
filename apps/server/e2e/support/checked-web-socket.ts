import type { WebSocketConstructor } from '@millrace/client';
import { WebSocket } from 'ws';
import { frameCheck } from './frame-check.ts';

/** A WebSocket that holds every frame it carries, of both sides, against the protocol's schema. */
export class CheckedWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false });
    this.on('message', (data, isBinary) => {
      const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Buffer);
      frameCheck.check('server', isBinary ? bytes : bytes.toString(), this.protocol);
    });
  }

  override send(data: string | Uint8Array): void {
    frameCheck.check('client', data, this.protocol);
    super.send(data);
  }
}

export const checkedWebSocket = CheckedWebSocket as unknown as WebSocketConstructor;
