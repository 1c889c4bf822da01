import { ByteWriter, sequenceId, utf8 } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ArchivedChunk } from '../archived-chunk.ts';
import { chunkOf, conversationId, valueOf } from '../conformance/a-conversation.ts';
import { crc32c } from '../crc32c.ts';
import { NO_LINK } from '../chain.ts';
import { erasedIn } from '../erase-plan.ts';
import { resealed, sealedBehind, blinded } from './chain/seal.ts';
import { decodeChunk, encodeChunk, readyChunk, readyChunkAside, sealedChunk } from './chunk-codec.ts';

const archived = (entries: readonly string[], erased: readonly number[] = []): ArchivedChunk => ({
  ...chunkOf(2, 51, entries),
  erased,
  seal: null,
});
const sample = archived(['a message', 'another message', 'a message of the same words', ''], [1, 3]);

/** The same as it is stored: bound to what stands before it, and then erased in part. */
function sealedOf(chunk: ArchivedChunk, before = NO_LINK): ArchivedChunk {
  const seal = sealedBehind(before, blinded(chunk));
  const whole = { ...chunk, erased: [], seal };
  const erasures = chunk.erased.map((offset) => ({
    ...{ gen: chunk.gen, seq: sequenceId(chunk.first + offset) },
    tombstones: [utf8(`gone ${String(offset)}`)],
  }));
  const erased = erasedIn(whole, erasures);
  return erased === null ? whole : { ...erased, seal: resealed(whole, seal, erased) };
}

const plain = ({ conversation, gen, first, entries }: ArchivedChunk) => ({ conversation, gen, first, entries });

const anyChunk: fc.Arbitrary<ArchivedChunk> = fc
  .record({
    entries: fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 30 }),
    marks: fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
    gen: fc.integer({ min: 1, max: 2 ** 40 }),
    first: fc.integer({ min: 1, max: 2 ** 50 }),
  })
  .map(({ entries, marks, gen, first }) => ({
    ...chunkOf(gen, first, []),
    entries,
    erased: entries.flatMap((_, index) => (marks[index] === true ? [index] : [])),
    seal: null,
  }));

describe('the bytes of a chunk', () => {
  it('give back what was put in, with the marks of what was erased', () => {
    fc.assert(
      fc.property(anyChunk, (chunk) => {
        const decoded = valueOf(decodeChunk(chunk, encodeChunk(chunk)));
        expect(decoded.entries.map((entry) => [...entry])).toEqual(chunk.entries.map((entry) => [...entry]));
        expect(decoded.erased).toEqual(chunk.erased);
        expect(decoded.seal).toBeNull();
        const sealed = sealedOf(chunk, utf8('a link of thirty-two bytes, so..'));
        const again = valueOf(decodeChunk(chunk, encodeChunk(sealed)));
        expect(again.entries.map((entry) => [...entry])).toEqual(sealed.entries.map((entry) => [...entry]));
        expect(again.erased).toEqual(chunk.erased);
        expect(encodeChunk(again)).toEqual(encodeChunk(sealed));
      }),
    );
  });

  it('are the same whether they are compressed here or aside', async () => {
    const chunk = plain(sample);
    const [here, aside] = [readyChunk(chunk), await readyChunkAside(chunk)];
    expect(aside.deflated).toEqual(here.deflated);
    expect(encodeChunk(sealedChunk(here, NO_LINK).chunk)).toEqual(sealedChunk(here, NO_LINK).bytes);
  });

  it('are fewer than the messages where these repeat each other, and hardly more where they do not', () => {
    const alike = archived(Array.from({ length: 50 }, (_, index) => `from alice: message number ${String(index)}`));
    const bytes = alike.entries.reduce((sum, entry) => sum + entry.length, 0);
    expect(encodeChunk(alike).length).toBeLessThan(bytes / 3);
    expect(encodeChunk(archived(['x'])).length).toBeLessThan(12);
  });

  it('are never taken for another chunk when any one bit is different', () => {
    for (const bytes of [encodeChunk(sample), encodeChunk(sealedOf(sample))])
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const wrong = bytes.slice();
        wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decodeChunk(sample, wrong)).toMatchObject({ ok: false, error: { code: 'damaged' } });
      }
  });

  it('are refused when cut short, lengthened, or any other bytes', () => {
    const bytes = encodeChunk(sealedOf(sample));
    for (let length = 0; length < bytes.length; length += 1)
      expect(decodeChunk(sample, bytes.subarray(0, length)).ok).toBe(false);
    expect(decodeChunk(sample, Buffer.concat([bytes, new Uint8Array(1)])).ok).toBe(false);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => !decodeChunk(sample, noise).ok));
  });

  it('belong to their key: elsewhere they are damaged', () => {
    const bytes = encodeChunk(sample);
    for (const key of [
      { ...sample, conversation: conversationId('other') },
      { ...sample, ...chunkOf(3, 51, []) },
      { ...sample, ...chunkOf(2, 52, []) },
    ])
      expect(decodeChunk(key, bytes)).toMatchObject({ ok: false, error: { code: 'damaged', chunk: { gen: key.gen } } });
  });

  it('with a right checksum over nonsense are damaged, too, and unpack to no more than they say', () => {
    const sealed = (write: (writer: ByteWriter) => ByteWriter): Uint8Array => {
      const { conversation, gen, first } = sample;
      const key = new ByteWriter().string(conversation).varint(gen).varint(first).finish();
      const bytes = write(new ByteWriter());
      return bytes.u32(crc32c(bytes.finish(), crc32c(key))).finish();
    };
    const body = encodeChunk(archived(['x'.repeat(100_000)])).subarray(6, -4);
    for (const wrong of [
      sealed((writer) => writer.u8(9).u8(0).varint(1).varint(1).raw(utf8('x'))), // a version to come
      sealed((writer) => writer.u8(1).u8(0).varint(0).varint(0)), // no entry
      sealed((writer) =>
        writer
          .u8(2)
          .u8(0)
          .varint(1)
          .varint(2)
          .raw(utf8('x'.repeat(80))),
      ), // half a seal
      sealed((writer) => writer.u8(1).u8(1).varint(1).varint(50).raw(body)), // more than it says
      sealed((writer) => writer.u8(1).u8(1).varint(1).varint(50).raw(utf8('no deflate'))),
      sealed((writer) => writer.u8(1).u8(0).varint(2).varint(3).varint(1).varint(9).raw(utf8('x'))),
      sealed((writer) => writer.u8(1).u8(0).varint(1).varint(3).varint(1).raw(utf8('xy'))), // something behind the last
      sealed((writer) => writer.u8(1).u8(2).varint(1).varint(2).varint(1).varint(1).varint(1).raw(utf8('x'))),
    ])
      expect(decodeChunk(sample, wrong)).toMatchObject({ ok: false, error: { code: 'damaged' } });
  });
});
