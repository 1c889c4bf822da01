import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantViolation } from './assert.ts';
import { ByteReader, ByteWriter, fromUtf8, MalformedBytes, utf8 } from './bytes.ts';

type Piece =
  | { readonly kind: 'u8' | 'u32' | 'varint'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array };

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  // Around the length that takes a second byte.
  fc.string({ unit: 'binary-ascii', minLength: 120, maxLength: 140 }),
);
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('string' as const), value: text }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
);

function write(writer: ByteWriter, { kind, value }: Piece): void {
  if (kind === 'string') writer.string(value);
  else if (kind === 'bytes') writer.bytes(value);
  else writer[kind](value);
}

const read = (reader: ByteReader, { kind }: Piece): unknown => reader[kind]();

describe('ByteWriter and ByteReader', () => {
  it('give back whatever was written, and nothing is left over', () => {
    fc.assert(
      fc.property(fc.array(piece), fc.integer({ min: 1, max: 64 }), (pieces, capacity) => {
        const writer = new ByteWriter(capacity);
        for (const each of pieces) write(writer, each);
        const written = writer.length;
        const bytes = writer.finish();
        expect(bytes.length).toBe(written);
        const reader = new ByteReader(bytes);
        expect(pieces.map((each) => read(reader, each))).toEqual(pieces.map(({ value }) => value));
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('throw MalformedBytes and nothing else on any input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(piece, { maxLength: 20 }), (bytes, pieces) => {
        const reader = new ByteReader(bytes);
        try {
          for (const each of pieces) read(reader, each);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
        }
      }),
    );
  });

  it('refuse every input that was cut off', () => {
    fc.assert(
      fc.property(piece, fc.nat(), (each, cut) => {
        const writer = new ByteWriter();
        write(writer, each);
        const bytes = writer.finish();
        expect(() => read(new ByteReader(bytes.subarray(0, cut % bytes.length)), each)).toThrow(MalformedBytes);
      }),
    );
  });

  it('refuse a number over 2^53-1, which JavaScript would round', () => {
    const tooLarge = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
    expect(() => new ByteReader(tooLarge).varint()).toThrow(MalformedBytes);
    expect(() => new ByteReader(new Uint8Array(9).fill(0x80)).varint()).toThrow(MalformedBytes);
    expect(() => new ByteWriter().varint(2 ** 53)).toThrow(InvariantViolation);
    expect(() => new ByteWriter().varint(-1)).toThrow(InvariantViolation);
  });

  it('refuse a text that is not UTF-8, and keep a leading U+FEFF', () => {
    expect(() => new ByteReader(Uint8Array.of(1, 0xff)).string()).toThrow(MalformedBytes);
    expect(fromUtf8(utf8('\uFEFFa'))).toBe('\uFEFFa');
  });

  it('patch a length in place, inside of what was written only', () => {
    const writer = new ByteWriter(1).u32(0).string('abc');
    writer.patchU32(0, 0xfffefdfc);
    expect(new ByteReader(writer.finish()).u32()).toBe(0xfffefdfc);
    expect(() => writer.patchU32(writer.length - 3, 1)).toThrow(InvariantViolation);
  });
});
