import { createHash, randomBytes, type Hash } from 'node:crypto';
import { ByteWriter, invariant, utf8, type Generation, type SequenceId } from '@millrace/kernel';
import type { ArchiveChunk, ChunkKey } from '../../archive-store.ts';
import { sameBytes, type ArchivedChunk } from '../../archived-chunk.ts';
import { LINK_BYTES, SALT_BYTES, type ChunkSeal } from '../../chain.ts';

/*
 * What is hashed, always by SHA-256, each with a word in front that tells what it is:
 *
 *   leaf  "entry"   · salt (16 bytes) · varint gen · varint seq · the entry
 *   link  "chunk"   · link before (32 bytes) · string conversation · varint gen · varint first · varint count · its leaves
 *   left  "erased"  · link (32 bytes) · for each erased entry: varint offset · bytes of what stands there
 *
 * The salts of a chunk with nothing erased are SHAKE-256 of "salts" · its secret, 16 bytes for each entry.
 */
const SECRET_BYTES = 32;

const ENTRY = utf8('entry');
const hashOf = (what: 'chunk' | 'erased'): Hash => createHash('sha256').update(what);

/** What is left of an entry when it is erased: without its salt nobody can tell what it was made of. */
export function leafOf(salt: Uint8Array, gen: Generation, seq: number, entry: Uint8Array): Uint8Array {
  // In one piece: each call of the hash costs more than the copy.
  const writer = new ByteWriter(entry.length + 64).raw(ENTRY).raw(salt).varint(gen).varint(seq).raw(entry);
  return createHash('sha256').update(writer.finish()).digest();
}

export function linkOf(
  before: Uint8Array,
  { conversation, gen, first }: ChunkKey,
  leaves: readonly Uint8Array[],
): Uint8Array {
  const place = new ByteWriter().string(conversation).varint(gen).varint(first).varint(leaves.length).finish();
  return hashOf('chunk').update(before).update(place).update(Buffer.concat(leaves)).digest();
}

function leftOf(link: Uint8Array, { entries, erased }: Pick<ArchivedChunk, 'entries' | 'erased'>): Uint8Array {
  const writer = new ByteWriter();
  for (const offset of erased) writer.varint(offset).bytes(entries[offset] ?? new Uint8Array());
  return hashOf('erased').update(link).update(writer.finish()).digest();
}

function saltsOf(secret: Uint8Array, count: number): readonly Uint8Array[] {
  const all = createHash('shake256', { outputLength: count * SALT_BYTES })
    .update('salts')
    .update(secret)
    .digest();
  return Array.from({ length: count }, (_, index) => all.subarray(index * SALT_BYTES, (index + 1) * SALT_BYTES));
}

/** A chunk that is to be archived, with all of its seal that does not depend on what stands before it. */
export interface Blinded {
  readonly key: ChunkKey;
  readonly secret: Uint8Array;
  readonly leaves: readonly Uint8Array[];
}

export function blinded(
  { conversation, gen, first, entries }: ArchiveChunk,
  secret: Uint8Array = randomBytes(SECRET_BYTES),
): Blinded {
  const salts = saltsOf(secret, entries.length);
  const leaves = salts.map((salt, index) => leafOf(salt, gen, first + index, entryOf(entries, index)));
  return { key: { conversation, gen, first }, secret, leaves };
}

export const sealedBehind = (before: Uint8Array, { key, secret, leaves }: Blinded): ChunkSeal => ({
  before,
  link: linkOf(before, key, leaves),
  blinding: { kind: 'whole', secret },
});

/** The leaves of a chunk as it is stored by now. */
export function leavesOf(
  { gen, first, entries, erased }: ArchivedChunk,
  { blinding }: ChunkSeal,
): readonly Uint8Array[] {
  const own = blinding.kind === 'whole' ? saltsOf(blinding.secret, entries.length) : blinding.each;
  const gone = new Set(blinding.kind === 'whole' ? [] : erased);
  return own.map((salt, index) => (gone.has(index) ? salt : leafOf(salt, gen, first + index, entryOf(entries, index))));
}

/**
 * The seal of a chunk of which entries are erased: its link stays.
 *
 * @param chunk - as it was before.
 * @param after - the same with tombstones in place.
 */
export function resealed(chunk: ArchivedChunk, seal: ChunkSeal, after: ArchivedChunk): ChunkSeal {
  const { blinding, link } = seal;
  const leaves = leavesOf(chunk, seal);
  const salts = blinding.kind === 'whole' ? saltsOf(blinding.secret, chunk.entries.length) : blinding.each;
  const gone = new Set(after.erased);
  // What was a leaf before stays one: whatever is erased is erased for good.
  const each = salts.map((salt, index) => (gone.has(index) ? (leaves[index] ?? salt) : salt));
  return { ...seal, blinding: { kind: 'erased', each, left: leftOf(link, after) } };
}

/**
 * The link up to an entry of a chunk: what comes in a later generation goes on from there, when the rest of the chunk was lost.
 *
 * @param seq - one of the chunk's.
 */
export function linkUpTo(chunk: ArchivedChunk, seal: ChunkSeal, seq: SequenceId): Uint8Array {
  const count = seq - chunk.first + 1;
  return count === chunk.entries.length ? seal.link : linkOf(seal.before, chunk, leavesOf(chunk, seal).slice(0, count));
}

/** What is wrong with a chunk by itself; null for nothing. */
export function faultOf(chunk: ArchivedChunk, seal: ChunkSeal): string | null {
  const { before, link, blinding } = seal;
  if (!sameBytes(linkOf(before, chunk, leavesOf(chunk, seal)), link))
    return 'its entries are not those that were archived';
  if (blinding.kind === 'whole')
    return chunk.erased.length === 0 ? null : 'entries are marked as erased that nobody has erased';
  return sameBytes(leftOf(link, chunk), blinding.left)
    ? null
    : 'what stands in the place of its erased entries is not what was put there';
}

/** How many bytes the entry at this offset has of its own. */
export const ownBytes = (isErased: boolean): number => (isErased ? LINK_BYTES : SALT_BYTES);
export { SECRET_BYTES };

function entryOf(entries: readonly Uint8Array[], index: number): Uint8Array {
  const entry = entries[index];
  invariant(entry !== undefined, 'a chunk has as many salts as entries');
  return entry;
}
