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

  it('write a string as its length and its UTF-8, whatever is in it, and read it as the decoder does', () => {
    const edges = [
      '',
      'x'.repeat(127),
      'x'.repeat(128),
      'x'.repeat(32),
      'x'.repeat(33),
      'a\u0080b',
      '\uFEFF',
      '\uFEFFid',
      'é',
    ];
    const loose = ['\ud800', 'a\udc00b', `${'x'.repeat(126)}\ud800`];
    const anyText = fc.oneof(
      text,
      fc.string({ unit: 'binary-ascii', maxLength: 40 }),
      fc.constantFrom(...edges, ...loose),
    );
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 64 }), (each, capacity) => {
        const encoded = utf8(each);
        const written = new ByteWriter(capacity).u8(7).string(each).u8(9).finish();
        const length = new ByteWriter().varint(encoded.length).finish();
        expect([...written]).toEqual([7, ...length, ...encoded, 9]);
        for (const bytes of [written, Buffer.from(written)]) {
          const reader = new ByteReader(bytes, 1);
          expect(reader.string()).toBe(fromUtf8(encoded));
          expect(reader.u8()).toBe(9);
        }
      }),
    );
  });

  it('write a number in groups of 7 bits, the lowest first', () => {
    const slowly = (value: bigint): readonly number[] =>
      value < 0x80n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...slowly(value >> 7n)];
    const edges = [7, 14, 21, 28, 31, 32, 35, 42, 49, 53].flatMap((bits) => [2 ** bits - 2, 2 ** bits - 1]);
    const starts = [7, 14, 21, 28, 31, 32, 35, 42, 49].flatMap((bits) => [2 ** bits, 2 ** bits + 1]);
    const number = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.nat(300), fc.constantFrom(0, ...edges, ...starts));
    fc.assert(
      fc.property(number, (value) => {
        expect([...new ByteWriter(1).varint(value).finish()]).toEqual(slowly(BigInt(value)));
      }),
    );
  });

  it.each([-1, -0x80, 0.5, 127.5, 2 ** 32 + 0.5, NaN, Infinity, -Infinity, 2 ** 53])('refuse to write %d', (value) => {
    expect(() => new ByteWriter().varint(value)).toThrow(InvariantViolation);
  });

  it('write a number in decimal digits as it is written by people', () => {
    const around = fc.nat(15).chain((power) => fc.integer({ min: -2, max: 2 }).map((off) => 10 ** power + off));
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.maxSafeNat(),
            around.filter((value) => value >= 0),
          ),
          { maxLength: 5 },
        ),
        (numbers) => {
          const writer = new ByteWriter(1);
          for (const value of numbers) writer.decimal(value).u8(0x20);
          expect(fromUtf8(writer.finish())).toBe(numbers.map((value) => `${String(value)} `).join(''));
        },
      ),
    );
    for (const value of [0, 9, 10, 999_999_999, 1e9, 1e9 + 7, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER])
      expect(fromUtf8(new ByteWriter().decimal(value).finish())).toBe(String(value));
    for (const value of [-1, 1.5, NaN, 2 ** 53]) expect(() => new ByteWriter().decimal(value)).toThrow('not a count');
  });

  it('read a part of the input, and nothing behind it', () => {
    const whole = Uint8Array.of(99, 3, 97, 98, 99, 100, 200);
    const reader = new ByteReader(whole, 1, 5);
    expect([reader.string(), reader.remaining]).toEqual(['abc', 0]);
    expect(() => reader.u8()).toThrow(MalformedBytes);
    expect(() => new ByteReader(whole, 1, 4).string()).toThrow(MalformedBytes);
    expect(() => new ByteReader(whole, 1, 4).bytes()).toThrow(MalformedBytes);
    expect(() => new ByteReader(whole, 3, 6).u32()).toThrow(MalformedBytes);
    expect(() => new ByteReader(whole, 6, 7).varint()).toThrow(MalformedBytes);
  });

  it.each([
    ['a lone byte of a longer character', [2, 97, 0x80]],
    ['a character that is cut off', [2, 97, 0xe2]],
    ['half of a surrogate pair', [3, 0xed, 0xa0, 0x80]],
    ['an overlong character', [2, 0xc0, 0x80]],
    ['a longer text with one of them', [40, ...new Array<number>(39).fill(97), 0xff]],
  ])('refuse %s', (_what, bytes) => {
    expect(() => new ByteReader(Uint8Array.from(bytes)).string()).toThrow(new MalformedBytes('a text is not UTF-8'));
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
