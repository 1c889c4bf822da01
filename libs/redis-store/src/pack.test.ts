import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Packer } from './pack.ts';

/** A MessagePack string, in the plainest way. */
function stringOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = Buffer.alloc(5);
  if (bytes.length < 32) return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes]);
  if (bytes.length < 0x100) return Buffer.concat([Buffer.of(0xd9, bytes.length), bytes]);
  if (bytes.length < 0x10000) {
    header[0] = 0xda;
    header.writeUInt16BE(bytes.length, 1);
    return Buffer.concat([header.subarray(0, 3), bytes]);
  }
  header[0] = 0xdb;
  header.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

describe('a text in a Packer', () => {
  it.each([0, 1, 10, 11, 31, 32, 33, 47, 48, 49, 85, 86, 255, 256, 65_535, 65_536])(
    'is packed, of %d letters',
    (length) => {
      for (const text of ['x'.repeat(length), 'é'.repeat(length), `${'x'.repeat(length)}€`]) {
        expect(new Packer(4).text(text).take().equals(stringOf(text))).toBe(true);
      }
    },
  );

  it.each(['\u007f', '\u0080', '\ufeff', '\ufeffkey', 'a\ud800b', '\udc00', '🙂', `${'x'.repeat(47)}\ud800`])(
    'is packed as its UTF-8: %j',
    (text) => {
      expect(new Packer(4).text(text).take().equals(stringOf(text))).toBe(true);
    },
  );

  it('leaves nothing of one that was tried in vain', () => {
    const texts = fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 })));
    fc.assert(
      fc.property(texts, (all) => {
        const packer = new Packer(1);
        for (const text of all) packer.text(text);
        expect(packer.take()).toEqual(Buffer.concat(all.map(stringOf)));
      }),
    );
  });
});
