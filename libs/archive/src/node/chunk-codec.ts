import { deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { promisify } from 'node:util';
import { ByteReader, ByteWriter, MalformedBytes, err, invariant, ok, type Result } from '@millrace/kernel';
import { damaged, type ChunkDamaged } from '../archive-errors.ts';
import { CHUNK_BYTES_MAX, CHUNK_ENTRIES_MAX, type ArchiveChunk, type ChunkKey } from '../archive-store.ts';
import type { ArchivedChunk } from '../archived-chunk.ts';
import { LINK_BYTES, type ChunkSeal } from '../chain.ts';
import { crc32c } from '../crc32c.ts';
import { packEntries, unpackEntries } from '../packed-entries.ts';
import { blinded, ownBytes, sealedBehind, SECRET_BYTES, type Blinded } from './chain/seal.ts';

/*
 * The bytes of a chunk in a store, layout version 2; version 1 is the same without a seal:
 *
 *   u8 version · u8 flags · varint count · varint bodyBytes
 *   if flag 2: varint erasedCount, then for each erased entry: varint distance from the one before, plus one
 *   the seal: link before, 32 bytes · link, 32 bytes
 *     without flag 2: the secret, 32 bytes
 *     with flag 2: for each entry its salt, 16 bytes, or its leaf, 32 bytes, if it is erased · left, 32 bytes
 *   body: the packed entries, `bodyBytes` of them; compressed (raw deflate) if flag 1
 *   u32 CRC-32C over the chunk's key and everything before it
 *
 * The key itself is not in the bytes. That the checksum covers it shows a row that came to stand in another's place.
 */
const VERSION = 2;
const VERSION_UNSEALED = 1;
const FLAG_DEFLATED = 1;
const FLAG_ERASED = 2;
const CHECKSUM_BYTES = 4;
/** Of zlib's own. */
const CHUNK_SIZE_MIN = 64;
/** Each entry's length takes at most 4 bytes, for none is longer than a chunk may be. */
const BODY_BYTES_MAX = CHUNK_BYTES_MAX + 4 * CHUNK_ENTRIES_MAX;

const deflate = promisify(deflateRaw);

function checksumOf({ conversation, gen, first }: ChunkKey, bytes: Uint8Array): number {
  const key = new ByteWriter().string(conversation).varint(gen).varint(first).finish();
  return crc32c(bytes, crc32c(key));
}

function writeSeal(writer: ByteWriter, { before, link, blinding }: ChunkSeal): void {
  writer.raw(before).raw(link);
  if (blinding.kind === 'whole') {
    writer.raw(blinding.secret);
    return;
  }
  for (const own of blinding.each) writer.raw(own);
  writer.raw(blinding.left);
}

function bytesOf(chunk: ArchivedChunk, packed: Uint8Array, deflated: Uint8Array): Uint8Array {
  const { entries, erased, seal } = chunk;
  invariant(seal === null || (seal.blinding.kind === 'erased') === erased.length > 0, 'a seal knows what was erased');
  // A few short entries may grow.
  const isDeflated = deflated.length < packed.length;
  const body = isDeflated ? deflated : packed;
  const writer = new ByteWriter(body.length + 160)
    .u8(seal === null ? VERSION_UNSEALED : VERSION)
    .u8((isDeflated ? FLAG_DEFLATED : 0) | (erased.length > 0 ? FLAG_ERASED : 0))
    .varint(entries.length)
    .varint(packed.length);
  if (erased.length > 0) {
    writer.varint(erased.length);
    let next = 0;
    for (const offset of erased) {
      writer.varint(offset - next);
      next = offset + 1;
    }
  }
  if (seal !== null) writeSeal(writer, seal);
  writer.raw(body);
  return writer.u32(checksumOf(chunk, writer.finish())).finish();
}

export function encodeChunk(chunk: ArchivedChunk): Uint8Array {
  const packed = packEntries(chunk.entries);
  return bytesOf(chunk, packed, deflateRawSync(packed));
}

/** A chunk on its way into a store: all is done but what depends on the chunk before it. */
export interface ReadyChunk {
  readonly chunk: ArchiveChunk;
  readonly blinded: Blinded;
  readonly packed: Uint8Array;
  readonly deflated: Uint8Array;
}

export function readyChunk(chunk: ArchiveChunk): ReadyChunk {
  const packed = packEntries(chunk.entries);
  return { chunk, blinded: blinded(chunk), packed, deflated: deflateRawSync(packed) };
}

/** The same, compressed on another thread. */
export async function readyChunkAside(chunk: ArchiveChunk): Promise<ReadyChunk> {
  const packed = packEntries(chunk.entries);
  return { chunk, blinded: blinded(chunk), packed, deflated: await deflate(packed) };
}

/** What is stored of it. @param before - the link of what stands before it. */
export function sealedChunk(
  { chunk, blinded, packed, deflated }: ReadyChunk,
  before: Uint8Array,
): { readonly chunk: ArchivedChunk; readonly link: Uint8Array; readonly bytes: Uint8Array } {
  const seal = sealedBehind(before, blinded);
  const sealed = { ...chunk, erased: [], seal };
  return { chunk: sealed, link: seal.link, bytes: bytesOf(sealed, packed, deflated) };
}

function erasedOffsets(reader: ByteReader, count: number): readonly number[] {
  const offsets: number[] = [];
  let next = 0;
  for (let left = reader.varint(); left > 0; left -= 1) {
    const offset = next + reader.varint();
    if (offset >= count) throw new MalformedBytes('an erased entry is not one of the chunk');
    offsets.push(offset);
    next = offset + 1;
  }
  return offsets;
}

function readSeal(reader: ByteReader, count: number, erased: readonly number[]): ChunkSeal {
  const [before, link] = [reader.raw(LINK_BYTES), reader.raw(LINK_BYTES)];
  if (erased.length === 0) return { before, link, blinding: { kind: 'whole', secret: reader.raw(SECRET_BYTES) } };
  const gone = new Set(erased);
  const each = Array.from({ length: count }, (_, index) => reader.raw(ownBytes(gone.has(index))));
  return { before, link, blinding: { kind: 'erased', each, left: reader.raw(LINK_BYTES) } };
}

/** Unpacks into one buffer of the right size at once; what would be longer throws. */
function inflateTo(bytes: number, deflated: Uint8Array): Uint8Array {
  return inflateRawSync(deflated, { chunkSize: Math.max(CHUNK_SIZE_MIN, bytes), maxOutputLength: Math.max(1, bytes) });
}

function decodeChecked(key: ChunkKey, bytes: Uint8Array): ArchivedChunk {
  if (bytes.length < CHECKSUM_BYTES) throw new MalformedBytes('it is too short');
  const checked = bytes.subarray(0, -CHECKSUM_BYTES);
  const checksum = new ByteReader(bytes.subarray(-CHECKSUM_BYTES)).u32();
  if (checksumOf(key, checked) !== checksum) throw new MalformedBytes('its checksum is not that of its bytes');
  const reader = new ByteReader(checked);
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_UNSEALED)
    throw new MalformedBytes(`its layout version ${String(version)} is not known here`);
  const flags = reader.u8();
  const count = reader.varint();
  const bodyBytes = reader.varint();
  if (count < 1 || count > CHUNK_ENTRIES_MAX || bodyBytes > BODY_BYTES_MAX)
    throw new MalformedBytes('its size is not that of a chunk');
  const erased = flags & FLAG_ERASED ? erasedOffsets(reader, count) : [];
  const seal = version === VERSION ? readSeal(reader, count, erased) : null;
  const body = reader.raw(reader.remaining);
  // Copied: whoever has the entries does not have the chunk's own bytes, which may be kept.
  const packed = flags & FLAG_DEFLATED ? inflateTo(bodyBytes, body) : body.slice();
  if (packed.length !== bodyBytes) throw new MalformedBytes('its entries are not as long as they were');
  return { ...key, entries: unpackEntries(packed, count), erased, seal };
}

/** What the entries of a chunk take when they are unpacked, as its head says; nothing is checked. */
export function unpackedBytesOf(bytes: Uint8Array): number {
  try {
    const reader = new ByteReader(bytes.subarray(2));
    reader.varint();
    return reader.varint();
  } catch (error) {
    if (error instanceof MalformedBytes) return Infinity;
    throw error;
  }
}

/** @returns the entries as views into one buffer that is nobody else's, or what is wrong with the bytes. */
export function decodeChunk(key: ChunkKey, bytes: Uint8Array): Result<ArchivedChunk, ChunkDamaged> {
  try {
    return ok(decodeChecked(key, bytes));
  } catch (error) {
    // What zlib throws, it throws at bytes that somebody gave a right checksum.
    const reason = error instanceof MalformedBytes ? error.message : 'its entries cannot be unpacked';
    return err(damaged(key, reason));
  }
}
