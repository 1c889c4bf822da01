import { ByteReader, ByteWriter, LastFew, generation, sequenceId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';

/*
 * Entries on their way to another node, as one piece of memory: their number, then of each `varint gen · varint seq · bytes`.
 *
 * What is said to a group goes to the owner of each member, and from there to where their sockets are, each time beside
 * what is that member's alone. It is packed once for all that go to one node in a row, and read once there: so members
 * share the entries there as they do here.
 */
const packed = new LastFew<readonly WireEntry[], Uint8Array>((one, other) => one === other);
const unpacked = new LastFew<Uint8Array, readonly WireEntry[]>(
  (one, other) => one.length === other.length && Buffer.compare(one, other) === 0,
);

function pack(entries: readonly WireEntry[]): Uint8Array {
  let bytes = 8;
  for (const { data } of entries) bytes += data.length + 16;
  const writer = new ByteWriter(bytes).varint(entries.length);
  for (const { gen, seq, data } of entries) writer.varint(gen).varint(seq).bytes(data);
  return writer.finish();
}

function unpack(bytes: Uint8Array): readonly WireEntry[] {
  const reader = new ByteReader(bytes);
  const entries: WireEntry[] = [];
  for (let left = reader.varint(); left > 0; left -= 1)
    entries.push(new WireEntry(generation(reader.varint()), sequenceId(reader.varint()), reader.bytes()));
  return entries;
}

export const packWireEntries = (entries: readonly WireEntry[]): Uint8Array => packed.of(entries, pack);

/** @throws MalformedBytes when they are not entries that were packed. */
export const unpackWireEntries = (bytes: Uint8Array): readonly WireEntry[] => unpacked.of(bytes, unpack);
