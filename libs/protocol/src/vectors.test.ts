import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ok, type DeviceId, type UserId } from '@millrace/kernel';
import { clientFrameJson, decodeServerFrames, encodeClientFrames } from './client-codec.ts';
import { decodeEntry, deviceTag, encodeEntry } from './entry.ts';
import { clientFrameNames } from './json/client-frame-decoders.ts';
import { validateMessage } from './node/schema.ts';
import { decodeClientFrames, encodeServerFrames } from './server-codec.ts';
import { serverFrames, toWire } from './testing/arbitraries.ts';
import { exampleMessages } from './testing/example-messages.ts';
import { exampleClientFrames } from './testing/example-client-frames.ts';
import { exampleServerFrames } from './testing/example-server-frames.ts';

/*
 * vectors/v1.json lets a client in any language check itself. It changes only with the protocol: `vitest run -u`
 * writes it anew, and then every difference must be one that old clients can live with.
 */

const FILE = '../vectors/v1.json';

interface Vectors {
  readonly about: string;
  readonly deviceTags: readonly { readonly user: string; readonly device: string; readonly tag: number }[];
  readonly entries: readonly { readonly name: string; readonly hex: string; readonly json: string }[];
  readonly client: readonly { readonly name: string; readonly json: string; readonly binaryHex: string }[];
  readonly server: readonly { readonly name: string; readonly json: string; readonly binaryHex: string }[];
}

const toHex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));

const devices = [
  ['ann', 'phone-1'],
  ['ann', 'phone-2'],
  ['bob', 'phone-1'],
  ['A-Z.a_z~0@9:%+=-', '0'],
  ['u'.repeat(64), 'd'.repeat(64)],
] as const;

function computed(): Vectors {
  return {
    about:
      'Golden vectors of Millrace protocol v1 (docs/protocol.md). `json` is the text of a JSON frame, `binaryHex` the same frame as one binary record. An entry is the bytes inside of a binary message, its `json` the message that it becomes at gen and seq.',
    deviceTags: devices.map(([user, device]) => ({ user, device, tag: deviceTag(user as UserId, device as DeviceId) })),
    entries: exampleMessages.map(({ name, message }) => {
      const { gen: _gen, seq: _seq, ...fields } = message;
      const page = toWire({
        t: 'page',
        id: 1,
        conversation: 'tea' as never,
        messages: [message],
        hasMore: false,
        head: message,
      });
      const json = page.t === 'page' ? (page.messages[0]?.json ?? '') : '';
      return { name, hex: toHex(encodeEntry(fields)), json };
    }),
    client: exampleClientFrames.map(({ name, frame }) => ({
      name,
      json: clientFrameJson(frame),
      binaryHex: toHex(encodeClientFrames([frame], 'binary')),
    })),
    server: exampleServerFrames.map(({ name, frame }) => ({
      name,
      json: encodeServerFrames([toWire(frame)], 'json'),
      binaryHex: toHex(encodeServerFrames([toWire(frame)], 'binary')),
    })),
  };
}

describe('the golden vectors', () => {
  it('are what the code writes', async () => {
    await expect(`${JSON.stringify(computed(), null, 2)}\n`).toMatchFileSnapshot(FILE);
  });

  const read = (): Vectors => JSON.parse(readFileSync(new URL(FILE, import.meta.url), 'utf8')) as Vectors;

  it('have every frame of both directions', () => {
    const names = (texts: readonly { readonly json: string }[]): ReadonlySet<string> =>
      new Set(texts.map(({ json }) => (JSON.parse(json) as { readonly t: string }).t));
    expect([...names(read().client)].sort()).toEqual([...clientFrameNames].sort());
    expect([...names(read().server)].sort()).toEqual(Object.keys(serverFrames).sort());
  });

  it('are read as the frames that they stand for, in both encodings', () => {
    for (const [index, { json, binaryHex }] of read().client.entries()) {
      const frame = exampleClientFrames[index]?.frame;
      expect(decodeClientFrames(json, 'json')).toEqual(ok([ok(frame)]));
      expect(decodeClientFrames(fromHex(binaryHex), 'binary')).toEqual(ok([ok(frame)]));
    }
    for (const [index, { json, binaryHex }] of read().server.entries()) {
      const frame = exampleServerFrames[index]?.frame;
      expect(decodeServerFrames(json, 'json')).toEqual(ok([frame]));
      expect(decodeServerFrames(fromHex(binaryHex), 'binary')).toEqual(ok([frame]));
    }
    for (const [index, { hex }] of read().entries.entries()) {
      expect(exampleMessages[index]?.message).toMatchObject(decodeEntry(fromHex(hex)));
    }
  });

  it('hold to the schema', () => {
    for (const { name, json } of read().client) expect([name, ...validateMessage('client', json)]).toEqual([name]);
    for (const { name, json } of read().server) expect([name, ...validateMessage('server', json)]).toEqual([name]);
  });
});

describe('an entry', () => {
  const entry = encodeEntry({
    msgNo: 1,
    countable: true,
    from: null,
    deviceTag: 0,
    n: 0,
    sentAt: 0,
    at: 0,
    type: 'text',
    body: 'hi',
  });

  it('may have extensions, and a reader skips those that it does not know', () => {
    // version, type, flags (text, countable, extensions), msgNo, at, sentAt, from, tag, n, two extensions, body
    const extended = [1, 1, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 9, 9, 9, 200, 1, 0, 0x68, 0x69];
    expect(decodeEntry(Uint8Array.from(extended))).toEqual(decodeEntry(entry));
  });

  it('of which any part is missing is malformed, not read as another', () => {
    for (let length = 0; length < entry.length - 2; length += 1) {
      expect(() => decodeEntry(entry.subarray(0, length))).toThrow('the input ends early');
    }
  });
});
