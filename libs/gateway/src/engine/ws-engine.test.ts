import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { systemTimers } from '@millrace/kernel';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { OPTIONS, socketEngineConformance } from '../testing/engine-conformance.ts';
import { RecordingHandlers } from '../testing/recording-handlers.ts';
import { WsEngine } from './ws-engine.ts';

/** Where Linux tells how many connections may wait to be accepted. */
const SOMAXCONN = '/proc/sys/net/core/somaxconn';

/** Connects as often as it is asked to, and tells how many connections there are at most within five seconds. */
const CROWD = `
  const { connect } = require('node:net');
  const { workerData: { port, count, told } } = require('node:worker_threads');
  let connected = 0;
  const tell = () => {
    Atomics.store(told, 1, connected);
    Atomics.store(told, 0, 1);
    Atomics.notify(told, 0);
  };
  const timer = setTimeout(tell, 5000);
  for (let index = 0; index < count; index += 1) {
    connect({ host: '127.0.0.1', port }, () => {
      connected += 1;
      if (connected === count) tell(clearTimeout(timer));
    }).on('error', () => undefined);
  }
`;

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

  it('lets a crowd wait that comes while it does something else', async () => {
    // Elsewhere as many as any system lets, which is more than none.
    const count = existsSync(SOMAXCONN) ? Math.min(1_000, Number(readFileSync(SOMAXCONN, 'utf8'))) : 100;
    const listening = await new WsEngine(systemTimers).listen(OPTIONS, new RecordingHandlers());
    if (!listening.ok) throw new Error(listening.error.message);
    const { port } = listening.value;
    const told = new Int32Array(new SharedArrayBuffer(8));
    const crowd = new Worker(CROWD, { eval: true, workerData: { port, count, told } });
    try {
      // This thread accepts none meanwhile.
      expect(Atomics.wait(told, 0, 0, 20_000)).not.toBe('timed-out');
      expect(told[1]).toBe(count);
    } finally {
      await crowd.terminate();
      await listening.value.close();
    }
  });
});
