import { utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { ArchiveUnderTest } from './archive-under-test.ts';
import { append, at, chunkFrom, conversationId, read, room, span, valueOf } from './a-conversation.ts';

const other = conversationId('other');

export function trimSuite(opened: () => ArchiveUnderTest): void {
  const archive = () => opened().archive;
  const trim = async (gen: number, seq: number): Promise<void> => {
    valueOf(await archive().trim(room, at(gen, seq)));
  };

  describe('a trim', () => {
    it('forgets whole chunks before a position, and leaves the one that holds it, and every other conversation', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(1, 4, 6), chunkFrom(1, 7, 9), chunkFrom(1, 1, 3, other));
      await trim(1, 5);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 4, 9)]);
      expect(await read(archive())).toEqual(['4', '5', '6', '7', '8', '9'].map((seq) => `1-${seq} 1-${seq}`));
      expect(await read(archive(), {}, other)).toHaveLength(3);
      expect(valueOf(await archive().stats())).toMatchObject({ chunks: 3, entries: 9 });
      const { chunkBytes } = valueOf(await archive().stats());
      await trim(1, 5);
      expect(valueOf(await archive().stats())).toMatchObject({ chunks: 3, entries: 9, chunkBytes });
      const reopened = await opened().reopen();
      expect(valueOf(await reopened.extent(room))).toEqual([span(1, 4, 9)]);
    });

    it('at the first seq of a chunk leaves that chunk, and what comes next goes behind the last one', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(1, 4, 6));
      await trim(1, 4);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 4, 6)]);
      expect(await append(archive(), chunkFrom(1, 1, 3))).toEqual(['conflict']);
      expect(await append(archive(), chunkFrom(1, 7, 8))).toEqual(['stored']);
      expect(valueOf(await archive().erase(room, [{ ...at(1, 4), tombstones: [utf8('x')] }]))).toMatchObject({
        entries: 1,
      });
      expect(await read(archive())).toEqual(['1-4 x', '1-5 1-5', '1-6 1-6', '1-7 1-7', '1-8 1-8']);
    });

    it('forgets generations whole, which may begin anywhere then', async () => {
      await append(archive(), chunkFrom(1, 1, 3), chunkFrom(2, 4, 6), chunkFrom(3, 7, 9));
      await trim(3, 9);
      expect(valueOf(await archive().extent(room))).toEqual([span(3, 7, 9)]);
      await trim(3, 10);
      expect(valueOf(await archive().extent(room))).toEqual([]);
      expect(valueOf(await archive().stats())).toMatchObject({ chunks: 0, entries: 0, chunkBytes: 0 });
      expect(await append(archive(), chunkFrom(3, 15, 16))).toEqual(['stored']);
      expect(await read(archive())).toEqual(['3-15 3-15', '3-16 3-16']);
    });

    it('of what is not there changes nothing', async () => {
      await trim(4, 4);
      await append(archive(), chunkFrom(2, 11, 13));
      await trim(1, 100);
      await trim(2, 3);
      await trim(2, 11);
      expect(valueOf(await archive().extent(room))).toEqual([span(2, 11, 13)]);
    });
  });
}
