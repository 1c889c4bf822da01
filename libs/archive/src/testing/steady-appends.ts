import { invariant, sequenceId } from '@millrace/kernel';
import type { ArchiveChunk, ArchiveStore } from '../archive-store.ts';
import { at, chunkFrom, conversationId, texts, valueOf } from '../conformance/a-conversation.ts';

/** Conversations that grow side by side, a chunk each in every batch. */
const ROOMS = ['steady-0', 'steady-1', 'steady-2', 'steady-3'].map(conversationId);
const CHUNK_ENTRIES = 50;

/** Batch `number`, from 1: the next chunk of each conversation. */
export const batchOf = (number: number): readonly ArchiveChunk[] =>
  ROOMS.map((room) => chunkFrom(1, (number - 1) * CHUNK_ENTRIES + 1, number * CHUNK_ENTRIES, room));

/**
 * Appends batches, from `first` on, for as long as they are confirmed, and tells of each one.
 *
 * @param enough - looked at before each batch.
 */
export async function appendBatches(
  archive: ArchiveStore,
  first: number,
  confirmed: (number: number) => void,
  enough: () => boolean = () => false,
): Promise<void> {
  for (let number = first; !enough(); number += 1) {
    const appended = await archive.append(batchOf(number));
    if (!appended.ok) return;
    invariant(
      appended.value.every(({ ok }) => ok),
      `batch ${String(number)} was refused: ${JSON.stringify(appended.value)}`,
    );
    confirmed(number);
  }
}

/**
 * Looks at everything that is archived: each conversation whole, in whole chunks, at least up to the batch that was
 * confirmed.
 *
 * @returns the first batch that is not archived whole; appending may go on with it.
 * @throws when something is missing, torn or different.
 */
export async function checkBatches(archive: ArchiveStore, confirmed: number): Promise<number> {
  let next = Number.MAX_SAFE_INTEGER;
  for (const room of ROOMS) {
    const [span] = valueOf(await archive.extent(room));
    const last = span?.last ?? 0;
    invariant(
      last >= confirmed * CHUNK_ENTRIES,
      `${room}: ${String(confirmed)} batches confirmed, ends at ${String(last)}`,
    );
    invariant(last % CHUNK_ENTRIES === 0, `${room}: half a chunk, up to ${String(last)}`);
    next = Math.min(next, last / CHUNK_ENTRIES + 1);
    for (let seq = 1; seq <= last; seq += 1_000) {
      const to = sequenceId(Math.min(last, seq + 999));
      const query = { from: at(1, seq), to: at(1, to), limit: 1_000, direction: 'forward' } as const;
      const page = texts(valueOf(await archive.read(room, query)));
      for (let index = 0; index <= to - seq; index += 1) {
        const place = `1-${String(seq + index)}`;
        invariant(page[index] === `${place} ${place}`, `${room} has ${String(page[index])} at ${place}`);
      }
    }
  }
  return next;
}
