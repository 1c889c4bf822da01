import { invariant } from '@millrace/kernel';
import {
  APPEND_CHUNKS_MAX,
  CHUNK_BYTES_MAX,
  CHUNK_ENTRIES_MAX,
  ERASE_ENTRIES_MAX,
  PAGE_ENTRIES_MAX,
  type ArchiveChunk,
  type Erasure,
} from './archive-store.ts';
import { CHAIN_CHUNKS_MAX } from './chain.ts';

/** @throws InvariantViolation when chunks are over the bounds of the port: the caller's bug. */
export function checkChunks(chunks: readonly ArchiveChunk[]): void {
  invariant(chunks.length <= APPEND_CHUNKS_MAX, `${String(chunks.length)} chunks are too many for one append`);
  for (const { gen, first, entries } of chunks) {
    invariant(gen >= 1 && first >= 1, 'a chunk stands at generation 1 and seq 1 or above');
    invariant(Number.isSafeInteger(first + entries.length), 'the seqs of a chunk are over 2^53-1');
    const count = entries.length;
    invariant(count >= 1 && count <= CHUNK_ENTRIES_MAX, `${String(count)} entries are none, or too many for a chunk`);
    let bytes = 0;
    for (const entry of entries) bytes += entry.length;
    invariant(bytes <= CHUNK_BYTES_MAX, `${String(bytes)} bytes are too many for a chunk`);
  }
}

/** @throws InvariantViolation when a page is over the bounds of the port: the caller's bug. */
export function checkLimit(limit: number): void {
  const isPage = Number.isSafeInteger(limit) && limit >= 1 && limit <= PAGE_ENTRIES_MAX;
  invariant(isPage, `a page of ${String(limit)} entries is none, or too long`);
}

/** @throws InvariantViolation when a page of a chain is over the bounds of the port: the caller's bug. */
export function checkChainLimit(limit: number): void {
  const isPage = Number.isSafeInteger(limit) && limit >= 1 && limit <= CHAIN_CHUNKS_MAX;
  invariant(isPage, `a page of ${String(limit)} chunks is none, or too long`);
}

/** @throws InvariantViolation when an erasure is over the bounds of the port: the caller's bug. */
export function checkErasures(erasures: readonly Erasure[]): void {
  let total = 0;
  for (const { gen, seq, tombstones } of erasures) {
    invariant(gen >= 1 && seq >= 1 && tombstones.length >= 1, 'an erasure names entries');
    total += tombstones.length;
  }
  invariant(total <= ERASE_ENTRIES_MAX, `${String(total)} entries are too many for one erasure`);
}
