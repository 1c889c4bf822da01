import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationId, UserId } from '@millrace/kernel';
import { decodeClientFrames, encodeServerFrames } from '@millrace/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { ModelServer, type ModelSession } from '../testing/model-server.ts';
import { fileStorage } from './file-storage.ts';
import { nodeClient } from './node-client.ts';

const alice = 'alice' as UserId;
const room = 'room' as ConversationId;

let server: ModelServer;
let sockets: WebSocketServer;
let url: string;
let directory: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-client-'));
  server = new ModelServer();
  server.createGroup(room, [alice, 'bob' as UserId]);
  server.diffuse();
  sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await new Promise((resolve) => sockets.once('listening', resolve));
  url = `ws://127.0.0.1:${String((sockets.address() as AddressInfo).port)}`;
  sockets.on('connection', (socket) => {
    const encoding = socket.protocol === 'millrace.v1.json' ? 'json' : 'binary';
    let session: ModelSession | null = null;
    socket.on('message', (data: Buffer, isBinary) => {
      const frames = decodeClientFrames(isBinary ? new Uint8Array(data) : data.toString(), encoding);
      for (const frame of frames.ok ? frames.value : []) {
        if (!frame.ok) continue;
        if (frame.value.t === 'connect') {
          session = server.connect(frame.value, (answer) => socket.send(encodeServerFrames([answer], encoding)));
        } else if (session !== null) server.receive(session, frame.value);
      }
      server.diffuse();
    });
    socket.on('close', () => session !== null && server.sessions.delete(session));
  });
});

afterEach(async () => {
  for (const socket of sockets.clients) socket.terminate();
  await new Promise((resolve) => sockets.close(resolve));
  rmSync(directory, { recursive: true });
});

for (const encoding of ['json', 'binary'] as const) {
  test(`over real sockets in ${encoding}: text and bytes are sent, pushed to another device, and paged back`, async () => {
    const [one, other] = [nodeClient({ url, token: alice, encoding }), nodeClient({ url, token: alice, encoding })];
    const arrived = new Promise<readonly unknown[]>((resolve) => {
      const bodies: unknown[] = [];
      other.on('message', ({ message }) => {
        bodies.push(message.body);
        if (bodies.length === 2) resolve(bodies);
      });
    });
    await Promise.all([one.connect(), other.connect()]);
    const bytes = Uint8Array.of(0, 255, 1);
    const receipts = await Promise.all([one.send(room, 'grüße'), one.send(room, bytes)]);
    expect(receipts.map(({ seq }) => Number(seq))).toEqual([2, 3]);
    expect(await arrived).toEqual(['grüße', bytes]);
    const page = await one.history(room, { direction: 'forward' });
    expect(page.messages.slice(1).map(({ body }) => body)).toEqual(['grüße', bytes]);
    await Promise.all([one.close(), other.close()]);
  });
}

test('with a file, a client that comes back is the same device, goes on counting, and fetches what it missed', async () => {
  const path = join(directory, 'alice');
  const first = nodeClient({ url, token: alice, storage: fileStorage(path) });
  await first.connect();
  await first.send(room, 'one', {});
  const { device } = first;
  await first.close();
  server.post(room, 'bob' as UserId, 'meanwhile');
  server.diffuse();
  const second = nodeClient({ url, token: alice, storage: fileStorage(path) });
  const heard: unknown[] = [];
  second.on('message', ({ message }) => heard.push(message.body));
  await second.connect();
  expect((await second.send(room, 'two')).n).toBe(2);
  expect(second.device).toBe(device);
  expect(heard).toEqual(['meanwhile', 'two']);
  expect(second.messages(room).map(({ body }) => body)).toEqual(['one', 'meanwhile', 'two']);
  await second.close();
});

test('sockets that are cut amid a stream of sends lose nothing and repeat nothing (I4)', async () => {
  const one = nodeClient({ url, token: alice, reconnect: { initialMs: 5, maxMs: 20 } });
  await one.connect();
  const bodies = Array.from({ length: 600 }, (_, index) => `m${String(index)}`);
  let acks = 0;
  const sends = bodies.map(async (body) => {
    const receipt = await one.send(room, body);
    acks += 1;
    if (acks % 100 === 0) for (const socket of sockets.clients) socket.terminate();
    return receipt;
  });
  await Promise.all(sends);
  const stored = server.conversations.get(room)?.entries.map(({ message }) => message.body) ?? [];
  expect(stored.slice(1)).toEqual(bodies);
  await one.close();
});
