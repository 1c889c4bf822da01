import { partitionId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { BATCH_CHANGES_MAX } from '../search-index.ts';
import type { IndexUnderTest } from './index-under-test.ts';
import { apply, cut, found, other, partition, put, remove, room, through, valueOf } from './messages.ts';

export function applySuite(opened: () => IndexUnderTest): void {
  const index = () => opened().index;

  describe('a batch', () => {
    it('can be found when it is confirmed, and is there after a restart, with its cursor', async () => {
      expect(valueOf(await index().cursor(partition))).toBe(null);
      await apply(index(), [put(1, 'kettle'), put(2, 'tea')], { cursor: '5-2', through: [through(1, 3)] });
      expect(await found(index(), 'kettle')).toEqual(['1']);
      const again = await opened().reopen();
      expect(await found(again, 'tea')).toEqual(['2']);
      expect(valueOf(await again.cursor(partition))).toBe('5-2');
      expect(valueOf(await again.cursor(partitionId(18)))).toBe(null);
      expect(valueOf(await again.indexedThrough([room]))).toEqual([{ gen: 1, seq: 3 }]);
    });

    it('that goes on from another cursor is refused, says where to go on, and changes nothing', async () => {
      await apply(index(), [put(1, 'kettle')], { cursor: 'a' });
      const stale = { partition, after: null, cursor: 'b', changes: [put(2, 'kettle')], through: [] };
      expect(await index().apply(stale)).toMatchObject({ ok: false, error: { code: 'cursor_moved', cursor: 'a' } });
      expect(await index().apply({ ...stale, after: 'z' })).toMatchObject({ ok: false, error: { cursor: 'a' } });
      expect(await found(index(), 'kettle')).toEqual(['1']);
      expect(valueOf(await index().cursor(partition))).toBe('a');
    });

    it('may come again with all that came before it, and changes nothing', async () => {
      const changes = [put(1, 'kettle'), put(2, 'kettle'), put(1, 'teapot', { rev: 3 }), remove(2, 1)];
      await apply(index(), changes);
      for (let times = 0; times < 2; times += 1) {
        await apply(index(), changes.slice(0, 2));
        expect(await found(index(), 'kettle')).toEqual([]);
        expect(await found(index(), 'teapot')).toEqual(['1']);
        await apply(index(), changes);
      }
      expect(valueOf(await index().stats())).toMatchObject({ messages: 1, conversations: 1 });
    });

    it('with an edit finds the message by its new words and no more by its old ones', async () => {
      await apply(index(), [put(1, 'kettle 水壺', { fields: { colour: 'red' } })]);
      await apply(index(), [put(1, 'teapot 茶壺', { rev: 1 })]);
      expect(await found(index(), 'kettle')).toEqual([]);
      expect(await found(index(), '水壺')).toEqual([]);
      expect(await found(index(), '茶壺')).toEqual(['1']);
      expect(await found(index(), 'teapot', { fields: [{ name: 'colour', is: 'red' }] })).toEqual([]);
    });

    it('with an older state of a message, or of an older generation, changes nothing', async () => {
      await apply(index(), [put(1, 'now', { gen: 2, rev: 1 })]);
      await apply(index(), [put(1, 'before', { gen: 2 }), put(1, 'before', { rev: 7 }), remove(1, 9)]);
      expect(await found(index(), 'before')).toEqual([]);
      expect(await found(index(), 'now')).toEqual(['1']);
    });

    it('with a removal takes the message out for good: no older state brings it back', async () => {
      await apply(index(), [put(1, 'kettle'), put(2, 'kettle', { rev: 2 }), put(3, 'kettle')]);
      await apply(index(), [remove(1, 0), remove(2, 1), remove(3, 4), remove(4, 1)]);
      expect(await found(index(), 'kettle')).toEqual(['2']);
      await apply(index(), [put(1, 'kettle'), put(3, 'kettle', { rev: 3 }), put(4, 'kettle', { rev: 1 })]);
      expect(await found(index(), 'kettle')).toEqual(['2']);
      const again = await opened().reopen();
      await apply(again, [put(1, 'kettle'), put(4, 'kettle')]);
      expect(await found(again, 'kettle')).toEqual(['2']);
    });

    it('with a cut takes out what was lost, also what comes of it later, and keeps the rest (I3)', async () => {
      await apply(
        index(),
        [1, 2, 3, 4].map((seq) => put(seq, 'kettle')),
        { through: [through(1, 4)] },
      );
      await apply(index(), [cut(2, 3), put(3, 'kettle', { gen: 2 }), put(4, 'kettle'), put(5, 'kettle')], {
        through: [through(2, 3)],
      });
      expect(await found(index(), 'kettle')).toEqual(['3', '2', '1']);
      const again = await opened().reopen();
      await apply(again, [put(4, 'kettle'), put(2, 'kettle', { rev: 1 })]);
      expect(await found(again, 'kettle')).toEqual(['3', '2', '1']);
      await apply(again, [put(9, 'kettle', { conversation: other })]);
      expect((await found(again, 'kettle')).length).toBe(3);
    });

    it('says how far each conversation is indexed; that never goes back but for a cut', async () => {
      await apply(index(), [], { through: [through(1, 7), through(1, 2, other)] });
      await apply(index(), [], { through: [through(1, 5)] });
      const asked = [other, room, room] as const;
      expect(valueOf(await index().indexedThrough(asked))).toEqual([
        { gen: 1, seq: 2 },
        { gen: 1, seq: 7 },
        { gen: 1, seq: 7 },
      ]);
      await apply(index(), [cut(2, 4)]);
      expect(valueOf(await index().indexedThrough([room]))).toEqual([{ gen: 2, seq: 3 }]);
      await apply(index(), [cut(2, 4)], { through: [through(2, 9)] });
      await apply(index(), [cut(2, 4)], { through: [through(1, 99)] });
      expect(valueOf(await index().indexedThrough([room]))).toEqual([{ gen: 2, seq: 9 }]);
    });

    it('keeps a seq as high as there are any', async () => {
      const high = Number.MAX_SAFE_INTEGER;
      await apply(index(), [
        put(high, 'kettle', { at: 1 }),
        put(2 ** 20, 'kettle', { at: 3 }),
        put(2 ** 20 - 1, 'kettle', { at: 2 }),
      ]);
      expect(await found(index(), 'kettle')).toEqual([2 ** 20, 2 ** 20 - 1, high].map(String));
    });

    it('takes as many changes as its bound says, and no more', async () => {
      const many = Array.from({ length: BATCH_CHANGES_MAX }, (_, at) => put(at + 1, `kettle number${String(at + 1)}`));
      await apply(index(), many);
      expect(await found(index(), 'number777')).toEqual(['777']);
      const over = { partition, after: null, cursor: 'x', changes: [...many, ...many], through: [] };
      await expect(index().apply(over)).rejects.toThrow('too many');
    });
  });

  describe('a closed index', () => {
    it('answers that it is, however often it is closed', async () => {
      await index().close();
      await index().close();
      expect(await index().cursor(partition)).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    });
  });
}
