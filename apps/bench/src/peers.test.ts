import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAYLOAD_HEAD_CHARS, newPayload, numberAt, streamAt, writePayload } from './load/payload.ts';
import { unescapedBody } from './load/peers/socket-io-wire.ts';
import { chosenPeers, peers } from './workloads/peers/peer.ts';
import { versionsOf } from './workloads/peers/with-peer.ts';
import { peerShapes, planOf } from './workloads/shape.ts';

describe('peers', () => {
  it('get the same streams as Millrace, and everybody in a group gets what is said there', () => {
    const [pairs, group] = peerShapes(1);
    if (pairs === undefined || group === undefined) throw new Error('there are pairs and a group');
    const on = (kind: 'millrace' | 'socket.io' | 'colyseus', shape = pairs) =>
      planOf(shape, 'r', { kind, websockets: [''], secret: '', diffusion: 'write' });
    expect(on('socket.io').streams).toEqual(on('millrace').streams);
    expect(on('colyseus').streams).toEqual(on('millrace').streams);
    expect(on('colyseus', group).streams[0]?.deliveries).toBe(50);
    expect(on('millrace', group).streams[0]?.deliveries).toBe(49);
  });

  it('each say what they do not do', () => {
    for (const { lacks } of peers) expect(Object.values(lacks).every((sentence) => sentence.length > 10)).toBe(true);
    expect(chosenPeers(['colyseus']).map(({ name }) => name)).toEqual(['colyseus']);
  });

  it('that are not installed say what to type', () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-peers-'));
    try {
      const [first] = peers;
      if (first === undefined) throw new Error('there is one');
      expect(() => versionsOf(first, dir)).toThrow(/socket\.io, .* is not installed: `npm run bench -- peers` does it/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('of Socket.IO carry a body as JSON, and its head is read whatever of it was escaped', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 24 - 1), fc.nat(2 ** 30 - 1), fc.nat(2 ** 40), (stream, n, micros) => {
        const payload = newPayload(PAYLOAD_HEAD_CHARS + 10);
        writePayload(payload, stream, n, micros);
        const head = '42["message",';
        const frame = Buffer.from(`${head}${JSON.stringify(Buffer.from(payload).toString('latin1'))},"offset"]`);
        const body = unescapedBody(frame, head.length + 1, new Uint8Array(payload.length));
        expect([streamAt(body.bytes, body.from), numberAt(body.bytes, body.from)]).toEqual([stream, n]);
      }),
      // A backslash stands for one of 64 values.
      {
        numRuns: 500,
        examples: [
          [44, 44, 44],
          [2 ** 24 - 1, 2 ** 30 - 1, 0],
          [0, 44, 44 * 64],
        ],
      },
    );
  });
});
