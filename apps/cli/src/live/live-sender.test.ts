import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { generation, ok, sequenceId, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import {
  decodeClientFrames,
  encodeServerFrames,
  protocolLimits,
  subprotocols,
  type ServerFrame,
  type WireEntry,
} from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { LiveSender } from './live-sender.ts';
import { SendQueue } from './send-queue.ts';

const connected: Omit<Extract<ServerFrame, { t: 'connected' }>, 'id'> = {
  t: 'connected',
  user: 'ada' as UserId,
  device: 'd' as DeviceId,
  session: 's',
  serverTime: 0,
  ackLevel: 'memory',
  inbox: { gen: generation(1), seq: sequenceId(0) },
  limits: { frameBytes: 65_536, bodyBytes: 32_768, sendWindow: 64, idleMs: 60_000 },
};

interface TestNode {
  readonly address: string;
  /** The counters that were sent here, in order. */
  readonly sent: number[];
  /** While false, sends are taken and not answered. */
  answers: boolean;
  /** Before it answers `connect`. */
  connectMs: number;
  readonly connections: () => number;
  tell(frame: ServerFrame<WireEntry>): void;
  close(): void;
}

const nodes: TestNode[] = [];
afterEach(() => {
  for (const node of nodes.splice(0)) node.close();
});

/** A node as far as a sender sees one. */
async function aNode(): Promise<TestNode> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const say = (frame: ServerFrame<WireEntry>): void => {
    for (const peer of server.clients)
      peer.send(encodeServerFrames([frame], peer.protocol === subprotocols.json ? 'json' : 'binary'));
  };
  const node: TestNode = {
    address: `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    sent: [],
    answers: true,
    connectMs: 0,
    connections: () => server.clients.size,
    tell: say,
    close: () => {
      for (const peer of server.clients) peer.terminate();
      server.close();
    },
  };
  server.on('connection', (peer) => {
    const encoding = peer.protocol === subprotocols.json ? 'json' : 'binary';
    peer.on('message', (data: Buffer, isBinary) => {
      const frames = decodeClientFrames(isBinary ? data : data.toString('utf8'), encoding, protocolLimits);
      for (const decoded of frames.ok ? frames.value : []) {
        if (!decoded.ok) continue;
        const frame = decoded.value;
        if (frame.t === 'connect') void sleep(node.connectMs).then(() => say({ ...connected, id: frame.id }));
        if (frame.t !== 'send') continue;
        node.sent.push(frame.n);
        const { id, n, conversation } = frame;
        const seq = sequenceId(n);
        const at = { gen: generation(1), seq, msgNo: n, at: 0 } as const;
        if (node.answers) say({ t: 'ack', id, conversation, n, ...at, level: 'memory', duplicate: false });
      }
    });
  });
  nodes.push(node);
  return node;
}

async function aSender(first: TestNode, second: TestNode) {
  const queue = new SendQueue({ window: 4, waitingMax: 100 });
  const acked: number[] = [];
  const addresses = [first.address, second.address];
  let turns = 0;
  const sender = new LiveSender({
    user: 'ada' as UserId,
    device: 'd' as DeviceId,
    conversation: 'c' as ConversationId,
    queue,
    nextAddress: () => addresses[turns++ % 2] ?? '',
    tokenOf: () => Promise.resolve(ok('token')),
    textOf: String,
    onAcked: (_ack, number) => acked.push(number),
    onRefused: () => undefined,
    onConnection: () => undefined,
  });
  const running = sender.run();
  await sender.connected;
  const write = (): void => {
    queue.write();
    sender.pump();
  };
  return { sender, running, acked, write };
}

describe('a sender whose node says that it goes', () => {
  it('goes on there until it is connected elsewhere, and repeats there what had no answer', async () => {
    const [first, second] = [await aNode(), await aNode()];
    const { sender, running, acked, write } = await aSender(first, second);
    second.connectMs = 300;
    first.tell({ t: 'drain', deadlineMs: 10_000 });
    write();
    write();
    await expect.poll(() => acked).toEqual([1, 2]);
    expect([first.sent, second.sent]).toEqual([[1, 2], []]);
    first.answers = false;
    write();
    await expect.poll(() => acked, { timeout: 5_000 }).toEqual([1, 2, 3]);
    expect([first.sent, second.sent]).toEqual([[1, 2, 3], [3]]);
    await expect.poll(() => first.connections()).toBe(0);
    sender.finish();
    await running;
    await expect.poll(() => second.connections()).toBe(0);
  });

  it('lets what it sent be answered and leaves when no other node takes it', async () => {
    const [first, second] = [await aNode(), await aNode()];
    const { sender, running, acked, write } = await aSender(first, second);
    second.close();
    first.tell({ t: 'drain', deadlineMs: 10_000 });
    write();
    await expect.poll(() => acked).toEqual([1]);
    // Back at the only address that answers.
    write();
    await expect.poll(() => acked, { timeout: 5_000 }).toEqual([1, 2]);
    sender.finish();
    await running;
  });
});
