import { MalformedBytes } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry, encodeEntry, WireEntry } from './entry.ts';
import { message } from './testing/arbitraries.ts';

describe('what the way of an entry goes by', () => {
  it('is the same without the rest of the entry as in all of it', () => {
    fc.assert(
      fc.property(message, ({ gen, seq, ...fields }) => {
        const { from, deviceTag, msgNo, at, countable } = fields;
        const data = encodeEntry(fields);
        expect(new WireEntry(gen, seq, data).brief).toEqual({ from, deviceTag, msgNo, at, countable });
        expect(decodeEntry(data)).toMatchObject({ from, deviceTag, msgNo, at, countable });
      }),
    );
  });

  it('cannot be told of bytes that are no entry', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), (data) => {
        const entry = new WireEntry(1 as never, 1 as never, data);
        expect(() => entry.brief).toThrow(MalformedBytes);
      }),
    );
  });
});
