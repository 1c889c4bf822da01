import { ByteReader, ByteWriter, MalformedBytes } from '@millrace/kernel';

/**
 * Entries in one piece of memory: a varint with the length of each, then their bytes. So they are compressed, and moved
 * between threads, as one.
 */
export function packEntries(entries: readonly Uint8Array[]): Uint8Array {
  let bytes = 0;
  for (const entry of entries) bytes += entry.length + 2;
  const writer = new ByteWriter(bytes + 16);
  for (const entry of entries) writer.varint(entry.length);
  for (const entry of entries) writer.raw(entry);
  return writer.finish();
}

/**
 * @returns views into `packed`, not copies.
 * @throws MalformedBytes when these are not `count` packed entries and nothing else.
 */
export function unpackEntries(packed: Uint8Array, count: number): Uint8Array[] {
  const reader = new ByteReader(packed);
  const lengths: number[] = [];
  for (let index = 0; index < count; index += 1) lengths.push(reader.varint());
  const entries = lengths.map((length) => reader.raw(length));
  if (reader.remaining > 0) throw new MalformedBytes('bytes follow the last entry');
  return entries;
}
