import { describe, expect, it } from 'vitest';
import { PAGE_ENTRIES_MAX } from '../archive-store.ts';
import {
  append,
  at,
  chunkFrom,
  chunkOf,
  conversationId,
  read,
  room,
  span,
  texts,
  valueOf,
  whole,
} from './a-conversation.ts';
import type { ArchiveUnderTest } from './archive-under-test.ts';

export function readSuite(opened: () => ArchiveUnderTest): void {
  const archive = () => opened().archive;
  const seqs = (entries: readonly string[]): readonly string[] => entries.map((entry) => entry.split(' ')[0] ?? '');
  /** Seqs 11..40 of generation 1 and 41..60 of generation 3, in chunks of 10, and another conversation. */
  const fill = async (): Promise<void> => {
    await append(
      archive(),
      ...[11, 21, 31].map((first) => chunkFrom(1, first, first + 9)),
      chunkFrom(1, 1, 60, conversationId('room2')),
      ...[41, 51].map((first) => chunkFrom(3, first, first + 9)),
    );
  };

  describe('a read', () => {
    it('begins and ends anywhere, also within a chunk, in both directions', async () => {
      await fill();
      const forward = Array.from({ length: 13 }, (_, index) => `1-${String(18 + index)} 1-${String(18 + index)}`);
      const query = { from: at(1, 18), to: at(1, 30) };
      expect(await read(archive(), query)).toEqual(forward);
      expect(await read(archive(), { ...query, direction: 'backward' })).toEqual([...forward].reverse());
    });

    it('stops at its limit, counted from the end where it begins', async () => {
      await fill();
      const query = { from: at(1, 15), to: at(1, 35), limit: 3 };
      expect(seqs(await read(archive(), query))).toEqual(['1-15', '1-16', '1-17']);
      expect(seqs(await read(archive(), { ...query, direction: 'backward' }))).toEqual(['1-35', '1-34', '1-33']);
    });

    it('crosses generations in both directions without a hole or a repeat', async () => {
      await fill();
      const query = { from: at(1, 39), to: at(3, 42) };
      expect(seqs(await read(archive(), query))).toEqual(['1-39', '1-40', '3-41', '3-42']);
      const backward = await read(archive(), { ...query, limit: 3, direction: 'backward' });
      expect(seqs(backward)).toEqual(['3-42', '3-41', '1-40']);
      expect(seqs(await read(archive(), { limit: 35 })).slice(-6)).toEqual([
        '1-40',
        '3-41',
        '3-42',
        '3-43',
        '3-44',
        '3-45',
      ]);
      expect(await read(archive(), { from: at(2, 1), to: at(2, 99) })).toEqual([]);
      expect(seqs(await read(archive(), { from: at(2, 1), to: at(3, 41) }))).toEqual(['3-41']);
    });

    it('of what is not archived finds nothing', async () => {
      await fill();
      expect(await read(archive(), { from: at(1, 1), to: at(1, 10) })).toEqual([]);
      expect(await read(archive(), { from: at(3, 61), to: at(9, 1) })).toEqual([]);
      expect(await read(archive(), { from: at(1, 20), to: at(1, 19) })).toEqual([]);
      expect(await read(archive(), {}, conversationId('roo'))).toEqual([]);
      expect(valueOf(await archive().extent(conversationId('ROOM')))).toEqual([]);
    });

    it('answers only with the part that is archived, and with that whole', async () => {
      await fill();
      const all = await read(archive());
      expect(all).toHaveLength(50);
      expect(all).toEqual([...(await read(archive(), { direction: 'backward' }))].reverse());
      expect(seqs(await read(archive(), { from: at(1, 5), to: at(1, 12) }))).toEqual(['1-11', '1-12']);
      expect(seqs(await read(archive(), { from: at(1, 40), to: at(1, 70) }))).toEqual(['1-40']);
    });

    it('page by page, of any size, comes to the same as at once', async () => {
      await fill();
      const all = seqs(await read(archive()));
      for (const limit of [1, 7, 10, 50]) {
        const pages: string[] = [];
        for (let from = whole.from; pages.length < all.length;) {
          const query = { from, to: whole.to, limit, direction: 'forward' } as const;
          const page = valueOf(await archive().read(room, query));
          const last = page.at(-1);
          if (last === undefined) break;
          pages.push(...seqs(texts(page)));
          from = at(last.gen, last.seq + 1);
        }
        expect(pages).toEqual(all);
      }
    });

    it('of one entry finds exactly that one', async () => {
      await fill();
      const found = valueOf(await archive().at(room, at(1, 25)));
      expect(found === null ? [] : texts([found])).toEqual(['1-25 1-25']);
      for (const position of [at(1, 10), at(1, 41), at(2, 25), at(3, 40), at(0, 0)]) {
        expect(valueOf(await archive().at(room, position))).toBeNull();
      }
    });

    it('many at once are each answered with their own', async () => {
      await fill();
      const wanted = Array.from({ length: 120 }, (_, index) => 11 + (index % 30));
      const found = await Promise.all(wanted.map((seq) => archive().at(room, at(1, seq))));
      expect(found.map((entry) => valueOf(entry)?.seq)).toEqual(wanted);
    });

    it('of a page that is empty or too long is the caller to blame for', async () => {
      const query = { ...whole, direction: 'forward' } as const;
      await expect(archive().read(room, { ...query, limit: 0 })).rejects.toThrow('page');
      await expect(archive().read(room, { ...query, limit: PAGE_ENTRIES_MAX + 1 })).rejects.toThrow('page');
    });

    it("handed out is the caller's own: changing it changes nothing that is stored", async () => {
      await append(archive(), chunkOf(1, 1, ['one', 'two']));
      const entry = valueOf(await archive().at(room, at(1, 1)));
      entry?.data.fill(0);
      expect(await read(archive())).toEqual(['1-1 one', '1-2 two']);
    });
  });

  describe('what is stored', () => {
    it('is there when the archive is opened again, which is the same one', async () => {
      await fill();
      const identity = valueOf(await archive().identity());
      expect(identity).toMatch(/^[0-9a-f]{32}$/);
      const before = await read(archive());
      const stats = valueOf(await archive().stats());
      const again = await opened().reopen();
      expect(await read(again)).toEqual(before);
      expect(valueOf(await again.identity())).toBe(identity);
      expect(valueOf(await again.stats())).toMatchObject({ chunks: stats.chunks, entries: stats.entries });
      expect(await append(again, chunkFrom(3, 61, 70), chunkFrom(1, 11, 20))).toEqual(['stored', 'already']);
    });

    it('is forgotten with its conversation, and with no other one', async () => {
      await fill();
      const before = valueOf(await archive().stats());
      valueOf(await archive().drop(room));
      valueOf(await archive().drop(room));
      expect(await read(archive())).toEqual([]);
      expect(valueOf(await archive().extent(room))).toEqual([]);
      expect(valueOf(await archive().extent(conversationId('room2')))).toEqual([span(1, 1, 60)]);
      const after = valueOf(await archive().stats());
      expect(before.chunks - after.chunks).toBe(5);
      expect(before.entries - after.entries).toBe(50);
      expect(before.chunkBytes).toBeGreaterThan(after.chunkBytes);
      expect(await append(archive(), chunkFrom(1, 500, 501))).toEqual(['stored']);
    });

    it('is counted', async () => {
      expect(valueOf(await archive().stats())).toMatchObject({ chunks: 0, entries: 0, chunkBytes: 0 });
      await fill();
      const { chunks, entries, chunkBytes, diskBytes } = valueOf(await archive().stats());
      expect({ chunks, entries }).toEqual({ chunks: 6, entries: 110 });
      expect(chunkBytes).toBeGreaterThan(0);
      expect(diskBytes).toBeGreaterThanOrEqual(chunkBytes);
    });
  });

  describe('an archive', () => {
    it('is healthy, and says without a password where it is', async () => {
      const health = valueOf(await archive().health());
      expect(health.writable).toBe(true);
      expect(health.store).not.toMatch(/secret|:[^/@]+@/);
    });

    it('that was closed answers every call with what to do', async () => {
      const { archive: closed } = opened();
      await closed.close();
      await closed.close();
      const answers = await Promise.all([
        closed.append([chunkFrom(1, 1, 1)]),
        closed.read(room, { ...whole, limit: 1, direction: 'forward' }),
        closed.at(room, at(1, 1)),
        closed.extent(room),
        closed.erase(room, [{ ...at(1, 1), tombstones: [new Uint8Array(1)] }]),
        closed.drop(room),
        closed.identity(),
        closed.health(),
        closed.stats(),
      ]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ ok: false, error: { code: 'unavailable', retry: 'backoff' } });
        expect(answer.ok ? '' : answer.error.whatToDo).not.toBe('');
      }
    });
  });
}
