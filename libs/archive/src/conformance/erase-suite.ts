import { utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { ERASE_ENTRIES_MAX, type Erasure } from '../archive-store.ts';
import { append, at, chunkFrom, chunkOf, read, room, span, valueOf } from './a-conversation.ts';
import type { ArchiveUnderTest } from './archive-under-test.ts';

const erasing = (gen: number, seq: number, ...tombstones: readonly string[]): Erasure => ({
  ...at(gen, seq),
  tombstones: tombstones.map(utf8),
});

export function eraseSuite(opened: () => ArchiveUnderTest): void {
  const archive = () => opened().archive;

  describe('an erasure', () => {
    it('puts tombstones in the place of entries, over the seam of two chunks, and moves nothing', async () => {
      await append(archive(), chunkOf(1, 1, ['a', 'b', 'c']), chunkOf(1, 4, ['d', 'e', 'f']));
      const outcome = await archive().erase(room, [erasing(1, 3, 'gone 3', 'gone 4'), erasing(1, 6, '')]);
      expect(valueOf(outcome)).toEqual({ entries: 3, missing: [] });
      expect(await read(archive())).toEqual(['1-1 a', '1-2 b', '1-3 gone 3', '1-4 gone 4', '1-5 e', '1-6 ']);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 6)]);
      expect(valueOf(await archive().stats())).toMatchObject({ chunks: 2, entries: 6 });
      expect(await read(await opened().reopen())).toHaveLength(6);
    });

    it('tells what it was to replace and is not archived', async () => {
      await append(archive(), chunkFrom(2, 11, 20));
      const outcome = await archive().erase(room, [
        erasing(2, 19, 'x', 'x', 'x', 'x'),
        erasing(1, 5, 'x'),
        erasing(2, 9, 'x', 'x', 'x'),
      ]);
      const { entries, missing } = valueOf(outcome);
      expect(entries).toBe(3);
      const positions = missing.flatMap(({ gen, first, last }) =>
        Array.from({ length: last - first + 1 }, (_, index) => `${String(gen)}-${String(first + index)}`),
      );
      expect(positions.sort()).toEqual(['1-5', '2-10', '2-21', '2-22', '2-9']);
      expect(valueOf(await archive().erase(room, []))).toEqual({ entries: 0, missing: [] });
    });

    it('again comes to the same, and later tombstones win', async () => {
      await append(archive(), chunkOf(1, 1, ['a', 'b', 'c']));
      for (let times = 0; times < 2; times += 1)
        expect(valueOf(await archive().erase(room, [erasing(1, 2, 'x')]))).toEqual({ entries: 1, missing: [] });
      expect(valueOf(await archive().erase(room, [erasing(1, 1, 'y', 'y'), erasing(1, 2, 'z')]))).toMatchObject({
        entries: 2,
      });
      expect(await read(archive())).toEqual(['1-1 y', '1-2 z', '1-3 c']);
    });

    it('is not undone by an append that comes again, which is still a success', async () => {
      const chunk = chunkOf(1, 1, ['a', 'secret', 'c']);
      await append(archive(), chunk);
      valueOf(await archive().erase(room, [erasing(1, 2, 'gone')]));
      expect(await append(archive(), chunk)).toEqual(['already']);
      expect(await append(archive(), chunkOf(1, 1, ['a', 'anything', 'c']))).toEqual(['already']);
      expect(await append(archive(), chunkOf(1, 1, ['other', 'secret', 'c']))).toEqual(['conflict']);
      expect(await read(archive())).toEqual(['1-1 a', '1-2 gone', '1-3 c']);
    });

    it('of more than one call may replace is the caller to blame for', async () => {
      const tombstones = Array.from({ length: ERASE_ENTRIES_MAX + 1 }, () => new Uint8Array(0));
      await expect(archive().erase(room, [{ ...at(1, 1), tombstones }])).rejects.toThrow('too many');
      await expect(archive().erase(room, [{ ...at(1, 1), tombstones: [] }])).rejects.toThrow('names entries');
    });
  });
}
