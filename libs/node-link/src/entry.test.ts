import { ByteWriter, utf8, type NodeId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEntry, writeHead, writeRecord, type EntryHead, type LinkRecord } from './entry.ts';
import { nodeId } from './testing/some-nodes.ts';

const count = fc.nat();
const place = fc.record({ epoch: fc.integer({ min: 0, max: 2 ** 31 }), seq: count });
const head: fc.Arbitrary<EntryHead> = fc
  .record({
    from: fc.constantFrom<NodeId>(nodeId('a'), nodeId('node-1.example:7')),
    epoch: fc.integer({ min: 0, max: 2 ** 31 }),
    seq: fc.integer({ min: 1, max: 5 }),
    before: fc.record({
      place: fc.option(place),
      notes: fc.constantFrom('counted' as const, 'new' as const, 'forgotten' as const),
    }),
    notesBefore: count,
    heard: fc.option(fc.record({ epoch: count, seq: count, broken: fc.boolean() })),
    asks: fc.boolean(),
  })
  .map((one) => ({ ...one, before: one.seq === 1 ? one.before : null }));
const payload = fc.uint8Array({ maxLength: 300 });
const record: fc.Arbitrary<LinkRecord> = fc.oneof(
  fc.record({ kind: fc.constant('request' as const), id: count, payload }),
  fc.record({ kind: fc.constant('answer' as const), id: count, payload }),
  fc.record({ kind: fc.constant('note' as const), payload }),
  fc.record({ kind: fc.constant('lost' as const), count }),
);
const entry = fc.record({ head, records: fc.array(record, { maxLength: 5 }) });

function written({ head, records }: { readonly head: EntryHead; readonly records: readonly LinkRecord[] }): Uint8Array {
  const writer = new ByteWriter();
  writeHead(writer, head);
  for (const one of records) writeRecord(writer, one);
  return writer.finish().slice();
}

describe('an entry', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(entry, (one) => {
        expect(readEntry(written(one))).toEqual({ ok: true, value: one });
      }),
    );
  });

  it('that ends early, or in other bytes, is malformed or another entry, and never an exception', () => {
    fc.assert(
      fc.property(entry, fc.nat(), fc.nat(255), (one, at, byte) => {
        const bytes = written(one);
        const spoilt = bytes.slice();
        spoilt[at % bytes.length] = byte;
        for (const input of [bytes.slice(0, at % bytes.length), spoilt]) {
          const read = readEntry(input);
          if (!read.ok) expect(read.error.code).toBe('malformed');
        }
      }),
    );
  });

  it('of random bytes is malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const read = readEntry(bytes);
        if (!read.ok) expect(read.error.code).toBe('malformed');
      }),
    );
  });

  it.each([
    ['another version', (bytes: Uint8Array) => bytes.fill(9, 0, 1)],
    ['flags that nobody knows', (bytes: Uint8Array) => bytes.fill(0x80, 6, 7)],
    ['a sender whose name is no node id', (bytes: Uint8Array) => bytes.fill(0x20, 2, 3)],
  ])('of %s is malformed', (_, spoil) => {
    const head = { from: nodeId('a'), epoch: 7, seq: 2, before: null, notesBefore: 0, heard: null, asks: false };
    const bytes = written({ head, records: [{ kind: 'note', payload: utf8('x') }] });
    expect(readEntry(bytes)).toMatchObject({ ok: true });
    expect(readEntry(spoil(bytes))).toMatchObject({ ok: false, error: { code: 'malformed' } });
  });

  it('that is the first of its epoch must say what came before, and no other may', () => {
    const head = { from: nodeId('a'), epoch: 7, notesBefore: 0, heard: null, asks: false };
    expect(readEntry(written({ head: { ...head, seq: 1, before: null }, records: [] })).ok).toBe(false);
    expect(
      readEntry(written({ head: { ...head, seq: 2, before: { place: null, notes: 'new' } }, records: [] })).ok,
    ).toBe(false);
    expect(readEntry(written({ head: { ...head, seq: 0, before: null }, records: [] })).ok).toBe(false);
  });
});
