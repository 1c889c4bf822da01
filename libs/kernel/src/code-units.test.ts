import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeUnitAt, readAscii, writeAscii } from './code-units.ts';

const units = (text: string): readonly number[] =>
  Array.from({ length: text.length }, (_, index) => codeUnitAt(text, index));

describe('codeUnitAt', () => {
  it('is charCodeAt, of texts of any kind, lone surrogates among them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii' }), (one, other) => {
        for (const text of [one, other, one + other, (one + other).slice(1), '\ud800a\udc00']) {
          expect(units(text)).toEqual(text.split('').map((unit) => unit.charCodeAt(0)));
        }
      }),
    );
  });
});

describe('writeAscii', () => {
  const write = (text: string): readonly number[] | null => {
    const bytes = new Uint8Array(text.length + 2);
    if (!writeAscii(text, bytes, 1)) return null;
    expect([bytes[0], bytes.at(-1)]).toEqual([0, 0]);
    return [...bytes.subarray(1, -1)];
  };

  it('writes a byte for each character, and nothing beside', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (text) => {
        expect(write(text)).toEqual(units(text));
      }),
    );
    expect(write('')).toEqual([]);
  });

  it.each(['\u0080', 'é', 'a€b', 'ab🙂', '\ud800', 'a\udc00', '\ufeff', 'abc\uffff'])('refuses %j', (text) => {
    expect(write(text)).toBeNull();
  });
});

describe('readAscii', () => {
  it.each([0, 1, 31, 32])('reads %d bytes out of the middle, of a Uint8Array and of a Buffer', (length) => {
    const text = 'abcdefghijklmnopqrstuvwxyz0123456789'.slice(0, length);
    for (const bytes of [new TextEncoder().encode(`<${text}>`), Buffer.from(`<${text}>`)]) {
      expect(readAscii(bytes, 1, length)).toBe(text);
    }
  });

  it('reads one after the other of the same length', () => {
    const bytes = new TextEncoder().encode('onetwo');
    expect([readAscii(bytes, 0, 3), readAscii(bytes, 3, 3)]).toEqual(['one', 'two']);
  });

  it('leaves to others what is longer, is not of ASCII or is not there', () => {
    expect(readAscii(new Uint8Array(40).fill(97), 0, 33)).toBeNull();
    expect(readAscii(Uint8Array.of(97, 0x80, 97), 0, 3)).toBeNull();
    expect(readAscii(Uint8Array.of(97, 97), 1, 2)).toBeNull();
  });
});
