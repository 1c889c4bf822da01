import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBinary, decodeEntry, encodeBinary } from './binary.ts';
import { deviceTag } from './device-tag.ts';
import type { ClientFrame, Message } from './frames.ts';

interface Vectors {
  readonly deviceTags: readonly { readonly user: string; readonly device: string; readonly tag: number }[];
  readonly entries: readonly { readonly name: string; readonly hex: string; readonly json: string }[];
  readonly client: readonly { readonly name: string; readonly json: string; readonly binaryHex: string }[];
  readonly server: readonly { readonly name: string; readonly json: string; readonly binaryHex: string }[];
}

const path = new URL('../../../../libs/protocol/vectors/v1.json', import.meta.url);
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe('a codec written from docs/protocol.md alone', () => {
  it.each(vectors.server)('reads the server frame "$name" as its JSON says', ({ json, binaryHex }) => {
    expect(decodeBinary(bytes(binaryHex))).toEqual([JSON.parse(json)]);
  });

  it.each(vectors.client)('writes the client frame "$name" byte for byte', ({ json, binaryHex }) => {
    expect(encodeBinary(JSON.parse(json) as ClientFrame).toString('hex')).toBe(binaryHex);
  });

  it.each(vectors.entries)('reads the entry "$name"', ({ hex, json }) => {
    const expected = JSON.parse(json) as Message;
    expect(decodeEntry(expected.gen, expected.seq, bytes(hex))).toEqual(expected);
  });

  it.each(vectors.deviceTags)('computes the tag of $user on $device', ({ user, device, tag }) => {
    expect(deviceTag(user, device)).toBe(tag);
  });

  it('writes the send that the page shows as a record', () => {
    const frame = { t: 'send', id: 4, conversation: 'tea', n: 1, sentAt: 1_700_000_000_200, type: 'text' };
    expect(encodeBinary({ ...frame, body: 'Kettle is on.' }).toString('hex')).toBe(
      '000000190101000000000004' + '03746561' + '01' + 'c8d195ffbc31' + '01' + '4b6574746c65206973206f6e2e',
    );
  });

  it('reads several records of one message, and skips a kind that it does not know', () => {
    const known = vectors.server.slice(0, 2);
    const unknown = '00000002' + '09' + '00' + '0000' + '00000000' + 'abcd';
    const message = known.map(({ binaryHex }) => binaryHex).join(unknown);
    expect(decodeBinary(bytes(message))).toEqual(known.map(({ json }): unknown => JSON.parse(json)));
  });
});
