import type { ChunkKey } from '../../archive-store.ts';
import { chunkFrom, valueOf } from '../../conformance/a-conversation.ts';
import type { Damage } from '../../conformance/archive-under-test.ts';
import { decodeChunk, encodeChunk } from '../chunk-codec.ts';

/** The bytes of a chunk that holds what {@link chunkFrom} puts where `key` is, and ten entries. */
function bytesLike(key: ChunkKey): Uint8Array {
  return encodeChunk({ ...chunkFrom(key.gen, key.first, key.first + 9, key.conversation), erased: [], seal: null });
}

/** What a damage makes of stored bytes; null when the row goes. */
export function damagedBytes(key: ChunkKey, bytes: Uint8Array, damage: Damage): Uint8Array | null {
  switch (damage.kind) {
    case 'gone':
      return null;
    case 'cut short':
      return bytes.slice(0, -7);
    case 'rewritten': {
      const chunk = valueOf(decodeChunk(key, bytes));
      const entries = chunk.entries.map((entry) => entry.slice());
      const entry = entries[damage.entry];
      if (entry === undefined) throw new Error('there is no such entry to change');
      entry[0] = (entry[0] ?? 0) ^ 1;
      return encodeChunk({ ...chunk, entries });
    }
    case 'in the place of':
      return bytesLike(damage.other);
    case 'bit flipped': {
      const wrong = bytes.slice();
      const at = damage.atByte < 0 ? wrong.length + damage.atByte : damage.atByte;
      wrong[at] = (wrong[at] ?? 0) ^ 4;
      return wrong;
    }
  }
}
