import { generation, sequenceId, utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { APPEND_CHUNKS_MAX, CHUNK_ENTRIES_MAX } from '../archive-store.ts';
import { append, chunkFrom, chunkOf, conversationId, read, room, span, valueOf } from './a-conversation.ts';
import type { ArchiveUnderTest } from './archive-under-test.ts';

export function appendSuite(opened: () => ArchiveUnderTest): void {
  const archive = () => opened().archive;

  describe('an append', () => {
    it('is read back as it was, byte for byte', async () => {
      const entries = [
        new Uint8Array(0),
        Uint8Array.from({ length: 256 }, (_, index) => index),
        new Uint8Array(70_000).fill(7),
        utf8('\u{feff}\0 text'),
      ];
      // Views into a larger buffer, as a reply of the hot store has them.
      const views = entries.map((entry) => {
        const slab = new Uint8Array(entry.length + 64).fill(0xee);
        slab.set(entry, 32);
        return slab.subarray(32, 32 + entry.length);
      });
      const chunk = { conversation: room, gen: generation(3), first: sequenceId(90), entries: views };
      expect(await append(archive(), chunk)).toEqual(['stored']);
      const page = valueOf(
        await archive().read(room, {
          from: { gen: generation(3), seq: sequenceId(90) },
          to: { gen: generation(3), seq: sequenceId(93) },
          limit: 4,
          direction: 'forward',
        }),
      );
      expect(page.map(({ gen, seq }) => [gen, seq])).toEqual([90, 91, 92, 93].map((seq) => [3, seq]));
      page.forEach(({ data }, index) => expect([...data]).toEqual([...(entries[index] ?? [])]));
    });

    it('goes on behind the last chunk, and may begin anywhere', async () => {
      expect(await append(archive(), chunkFrom(1, 41, 90))).toEqual(['stored']);
      expect(await append(archive(), chunkFrom(1, 91, 92), chunkFrom(1, 93, 93))).toEqual(['stored', 'stored']);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 41, 93)]);
    });

    it('of the same chunk again is a success that changes nothing', async () => {
      await append(archive(), chunkFrom(1, 1, 50), chunkFrom(1, 51, 100));
      const before = valueOf(await archive().stats());
      expect(await append(archive(), chunkFrom(1, 1, 50))).toEqual(['already']);
      expect(await append(archive(), chunkFrom(1, 51, 100), chunkFrom(1, 101, 110))).toEqual(['already', 'stored']);
      expect(await append(archive(), chunkFrom(1, 111, 112), chunkFrom(1, 111, 112))).toEqual(['stored', 'already']);
      const after = valueOf(await archive().stats());
      expect(after.chunks - before.chunks).toBe(2);
      expect(after.entries - before.entries).toBe(12);
    });

    it('of other bytes, of another length or across chunks is a conflict that tells what is there', async () => {
      await append(archive(), chunkOf(1, 11, ['a', 'b']), chunkOf(1, 13, ['c', 'd']));
      const wrong = [
        chunkOf(1, 11, ['a', 'x']),
        chunkOf(1, 11, ['a', 'bb']),
        chunkOf(1, 11, ['a']),
        chunkOf(1, 11, ['a', 'b', 'c', 'd']),
        chunkOf(1, 12, ['b']),
        chunkOf(1, 12, ['b', 'c', 'd', 'e']),
        chunkOf(1, 14, ['d', 'e']),
        chunkOf(1, 9, ['y', 'z']),
        chunkOf(1, 10, ['z', 'a']),
        chunkOf(1, 1, ['z']),
      ];
      const outcomes = valueOf(await archive().append(wrong));
      for (const [index, outcome] of outcomes.entries()) {
        expect(outcome).toMatchObject({
          ok: false,
          error: {
            code: 'conflict',
            retry: 'never',
            chunk: { conversation: room, gen: 1, first: wrong[index]?.first },
            archived: { gen: 1, first: 11, last: 14 },
          },
        });
      }
      expect(await read(archive())).toEqual(['1-11 a', '1-12 b', '1-13 c', '1-14 d']);
    });

    it('that leaves a hole is refused and tells the seq that is expected (I8)', async () => {
      await append(archive(), chunkFrom(1, 1, 50));
      const [outcome] = valueOf(await archive().append([chunkFrom(1, 52, 60)]));
      expect(outcome).toMatchObject({ ok: false, error: { code: 'hole', expected: 51, chunk: { gen: 1, first: 52 } } });
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 50)]);
    });

    it('in another generation stands beside the first one', async () => {
      await append(archive(), chunkFrom(1, 1, 50), chunkFrom(2, 51, 55), chunkFrom(4, 51, 60));
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 50), span(2, 51, 55), span(4, 51, 60)]);
      expect(await append(archive(), chunkFrom(4, 61, 61), chunkFrom(4, 63, 63))).toEqual(['stored', 'hole']);
    });

    it.each([
      ['with the same append', true],
      ['later', false],
    ])('of an older generation than what is archived is a conflict, %s', async (_how, isOne) => {
      await append(archive(), chunkFrom(1, 1, 50));
      const newer = [chunkFrom(3, 51, 60)];
      // What goes on in an older one, what begins one between, and what is there.
      const older = [chunkFrom(1, 51, 52), chunkFrom(2, 51, 55), chunkFrom(1, 1, 50), chunkFrom(3, 61, 62)];
      const verdicts = isOne
        ? (await append(archive(), ...newer, ...older)).slice(1)
        : await append(archive(), ...newer).then(() => append(archive(), ...older));
      expect(verdicts).toEqual(['conflict', 'conflict', 'already', 'stored']);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 50), span(3, 51, 62)]);
      const [outcome] = valueOf(await archive().append([chunkFrom(2, 51, 55)]));
      const error = { code: 'conflict', retry: 'never', archived: null, chunk: { gen: 2, first: 51 } };
      expect(outcome).toMatchObject({ ok: false, error });
      expect(outcome?.ok === false && outcome.error.message).toMatch('generation 3 of its conversation is archived');
    });

    it('says of each chunk what became of it, and one that is refused keeps no other conversation out', async () => {
      const other = conversationId('ann!bob');
      await append(archive(), chunkFrom(1, 1, 10));
      const verdicts = await append(
        archive(),
        chunkFrom(1, 12, 20),
        chunkFrom(1, 1, 10, other),
        chunkFrom(1, 21, 22),
        chunkFrom(1, 11, 20, other),
        chunkFrom(1, 11, 11),
        chunkFrom(1, 12, 20),
      );
      expect(verdicts).toEqual(['hole', 'stored', 'hole', 'stored', 'stored', 'stored']);
      expect(valueOf(await archive().extent(room))).toEqual([span(1, 1, 20)]);
      expect(valueOf(await archive().extent(other))).toEqual([span(1, 1, 20)]);
    });

    it('of nothing answers nothing', async () => {
      expect(await append(archive())).toEqual([]);
    });

    it('takes as many chunks, and as long ones, as its bounds say, and no more', async () => {
      const many = Array.from({ length: APPEND_CHUNKS_MAX }, (_, index) =>
        chunkFrom(1, 1, 2, conversationId(`room-${String(index)}`)),
      );
      expect(new Set(await append(archive(), ...many))).toEqual(new Set(['stored']));
      await expect(archive().append([...many, chunkFrom(1, 1, 1)])).rejects.toThrow('too many');
      expect(await append(archive(), chunkFrom(1, 1, CHUNK_ENTRIES_MAX))).toEqual(['stored']);
      await expect(archive().append([chunkFrom(1, 1, CHUNK_ENTRIES_MAX + 1)])).rejects.toThrow('too many');
      await expect(archive().append([chunkFrom(1, 1, 0)])).rejects.toThrow('none');
    });

    it('from many callers at once gives each generation one history', async () => {
      const racers = Array.from({ length: 8 }, (_, racer) =>
        archive().append([chunkOf(1, 1, [`first of ${String(racer)}`]), chunkOf(1, 2, [`second of ${String(racer)}`])]),
      );
      const outcomes = (await Promise.all(racers)).map((outcome) => valueOf(outcome).map(({ ok }) => ok));
      const winners = outcomes.filter(([first]) => first === true);
      expect(winners).toEqual([[true, true]]);
      const [first = '', second = ''] = await read(archive());
      expect(second.replace('1-2 second', '')).toBe(first.replace('1-1 first', ''));
    });

    it('of different conversations, mixed by many callers at once, loses none', async () => {
      const rooms = Array.from({ length: 6 }, (_, index) => conversationId(`mixed-${String(index)}`));
      const calls = Array.from({ length: 6 }, (_, round) =>
        append(
          archive(),
          ...rooms.map((_, index) => chunkFrom(1, 1, 3, rooms[(index + round) % rooms.length] ?? room)),
        ),
      );
      const verdicts = (await Promise.all(calls)).flat();
      expect(verdicts.filter((verdict) => verdict === 'stored')).toHaveLength(rooms.length);
      expect(verdicts.filter((verdict) => verdict === 'already')).toHaveLength(verdicts.length - rooms.length);
      for (const conversation of rooms) expect(valueOf(await archive().extent(conversation))).toEqual([span(1, 1, 3)]);
    });
  });
}
