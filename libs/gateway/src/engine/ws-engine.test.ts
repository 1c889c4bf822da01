import { once } from 'node:events';
import { Socket } from 'node:net';
import { systemTimers } from '@millrace/kernel';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { socketEngineConformance } from '../testing/engine-conformance.ts';
import { RecordingHandlers } from '../testing/recording-handlers.ts';
import { WsEngine } from './ws-engine.ts';

describe('the engine on ws', () => {
  socketEngineConformance(() => new WsEngine(systemTimers));

  it('joins what a turn sends to a socket into one write', async () => {
    const handlers = new RecordingHandlers();
    const listening = await new WsEngine(systemTimers).listen(
      {
        host: '127.0.0.1',
        port: 0,
        shared: false,
        maxFrameBytes: 1_000,
        maxSendBufferBytes: 1_000_000,
        handshakeMs: 1_000,
        closeMs: 100,
      },
      handlers,
    );
    if (!listening.ok) throw new Error(listening.error.message);
    const server = listening.value;
    const client = new WebSocket(`ws://127.0.0.1:${String(server.port)}/`, ['a']);
    let received = 0;
    client.on('message', () => (received += 1));
    await once(client, 'open');
    const socket = handlers.at('/');
    socket.subscribe('group');
    const write = vi.spyOn(Socket.prototype, 'write');
    try {
      for (let index = 0; index < 100; index += 1) {
        socket.send('x'.repeat(200), false);
        server.publish('group', 'y', false);
      }
      await vi.waitFor(() => expect(received).toBe(200), { timeout: 10_000 });
      expect(write).toHaveBeenCalledTimes(1);
    } finally {
      write.mockRestore();
      client.terminate();
      await server.close();
    }
  });
});
