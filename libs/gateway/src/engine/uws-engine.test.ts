import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { systemTimers } from '@millrace/kernel';
import { describe, expect, it, vi } from 'vitest';
import { OPTIONS, socketEngineConformance } from '../testing/engine-conformance.ts';
import { rawConnection } from '../testing/raw-connection.ts';
import { RecordingHandlers } from '../testing/recording-handlers.ts';
import { loadUws } from './uws-api.ts';
import { UwsEngine } from './uws-engine.ts';

/** One byte in a masked frame. */
const HELLO = Uint8Array.of(0x82, 0x81, 0, 0, 0, 0, 1);

/** Whatever ends it. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve();
      });
  });

describe('the engine on uWebSockets.js', () => {
  const uws = loadUws();
  if (uws.ok) {
    socketEngineConformance(() => new UwsEngine(uws.value, systemTimers));

    it('keeps all of a crowd: none is closed for what is left of its request', async () => {
      const handlers = new RecordingHandlers();
      const listening = await new UwsEngine(uws.value, systemTimers).listen(OPTIONS, handlers);
      if (!listening.ok) throw new Error(listening.error.message);
      const { port } = listening.value;
      // The library remembers this of a request, at a place where a socket has something else.
      const headers = { Connection: 'close', 'Sec-WebSocket-Protocol': 'chat.v1' };
      const crowd = await Promise.all(Array.from({ length: 100 }, () => rawConnection(port, { headers })));
      expect(crowd.map(({ status }) => status)).toEqual(crowd.map(() => 101));
      for (const { socket } of crowd) socket.write(HELLO);
      await vi.waitFor(() => expect(handlers.messages).toHaveLength(crowd.length));
      expect(handlers.open.size).toBe(crowd.length);
      for (const { socket } of crowd) socket.destroy();
      await listening.value.close();
    });

    it('lets others in past hundreds that say nothing, and closes while those wait', async () => {
      const handlers = new RecordingHandlers();
      const listening = await new UwsEngine(uws.value, systemTimers).listen(OPTIONS, handlers);
      if (!listening.ok) throw new Error(listening.error.message);
      const { port } = listening.value;
      const silent = Array.from({ length: 300 }, () => connect({ port, host: '127.0.0.1' }));
      const gone = Promise.all(silent.map(closed));
      await Promise.all(silent.map((each) => once(each, 'connect')));
      for (const each of silent.slice(100, 150)) each.destroy();
      const { socket, status } = await rawConnection(port);
      expect(status).toBe(101);
      socket.write(HELLO);
      await vi.waitFor(() => expect(handlers.messages).toHaveLength(1), { timeout: 15_000 });
      const more = Array.from({ length: 300 }, () => connect({ port, host: '127.0.0.1' }));
      const moreGone = Promise.all(more.map(closed));
      await Promise.all(more.map((each) => once(each, 'connect')));
      await listening.value.close();
      await Promise.all([gone, moreGone]);
      await vi.waitFor(() => expect(handlers.open.size).toBe(0), { timeout: 15_000 });
    });
  } else {
    it('says in one line why its binary does not load on this machine', () => {
      expect(uws.error).toMatch(/^.{5,300}$/);
    });
  }
});
