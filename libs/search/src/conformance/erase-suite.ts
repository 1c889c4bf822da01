import { describe, expect, it } from 'vitest';
import type { IndexUnderTest } from './index-under-test.ts';
import {
  ann,
  apply,
  bob,
  conversationId,
  cut,
  erase,
  everything,
  forget,
  found,
  other,
  partition,
  put,
  room,
  through,
  userId,
  valueOf,
} from './messages.ts';

export function eraseSuite(opened: () => IndexUnderTest): void {
  const index = () => opened().index;

  describe('erasing', () => {
    it('a conversation leaves nothing of it, and every other one as it is', async () => {
      await apply(index(), [put(1, 'kettle'), put(1, 'kettle', { conversation: other })], { through: [through(1, 1)] });
      valueOf(await index().eraseConversation(room));
      const scope = everything(room, other);
      expect(await found(index(), 'kettle', { scope })).toEqual(['other-1']);
      expect(valueOf(await index().indexedThrough([room]))).toEqual([null]);
      valueOf(await index().purge());
      valueOf(await index().eraseConversation(room));
      const again = await opened().reopen();
      expect(await found(again, 'kettle', { scope })).toEqual(['other-1']);
      await apply(again, [put(1, 'teapot')]);
      expect(await found(again, 'teapot', { scope })).toEqual(['1']);
    });

    it('a user takes out what they sent, everywhere, and says how much that was', async () => {
      await apply(index(), [
        put(1, 'kettle'),
        put(2, 'kettle', { sender: bob, mentions: [ann] }),
        put(3, 'kettle', { sender: bob }),
        put(1, 'kettle', { conversation: other, sender: bob }),
      ]);
      expect(valueOf(await index().eraseSender(bob))).toBe(3);
      expect(await found(index(), 'kettle', { scope: everything(room, other) })).toEqual(['1']);
      expect(valueOf(await index().eraseSender(bob))).toBe(0);
      expect(valueOf(await index().eraseSender(userId('nobody')))).toBe(0);
      expect(valueOf(await index().stats()).messages).toBe(1);
    });
  });

  describe('an erasure in a batch', () => {
    it('forgets what a user has sent in a conversation up to there, whichever batch brought it, and nothing else', async () => {
      await apply(index(), [
        put(1, 'kettle', { sender: bob }),
        put(2, 'kettle'),
        put(6, 'kettle', { sender: bob }),
        put(1, 'kettle', { conversation: other, sender: bob }),
      ]);
      const batch = [
        put(3, 'kettle', { sender: bob }),
        put(4, 'kettle', { sender: bob }),
        put(1, 'kettle', { rev: 0, sender: bob }),
      ];
      await apply(index(), [...batch, erase(bob, 4), put(5, 'kettle', { sender: bob })]);
      const scope = everything(room, other);
      const left = ['2', '5', '6', 'other-1'];
      expect((await found(index(), 'kettle', { scope })).sort()).toEqual(left);
      await apply(index(), [erase(bob, 4), erase(userId('nobody'), 9), erase(bob, 9, conversationId('nowhere'))]);
      const again = await opened().reopen();
      expect((await found(again, 'kettle', { scope })).sort()).toEqual(left);
      expect(valueOf(await again.stats()).messages).toBe(4);
      await apply(again, [erase(bob, 2 ** 40)]);
      expect((await found(again, 'kettle', { scope })).sort()).toEqual(['2', 'other-1']);
    });

    it('of a version that is being made takes what is in it, and leaves the live one as it is', async () => {
      await apply(index(), [put(1, 'kettle', { sender: bob })]);
      valueOf(await index().beginRebuild());
      await apply(index(), [put(1, 'kettle', { sender: bob }), put(2, 'kettle')], { into: 'next' });
      await apply(index(), [erase(bob, 1)], { into: 'next' });
      expect(await found(index(), 'kettle')).toEqual(['1']);
      valueOf(await index().finishRebuild());
      expect(await found(index(), 'kettle')).toEqual(['2']);
    });
  });

  describe('a conversation that a batch forgets', () => {
    it('is what comes behind that, and every other one is as it was', async () => {
      await apply(index(), [put(1, 'lost', { rev: 7 }), put(2, 'lost'), put(1, 'kettle', { conversation: other })], {
        through: [through(1, 2), through(1, 1, other)],
      });
      await apply(index(), [cut(2, 2)]);
      await apply(index(), [put(3, 'lost', { gen: 2 }), forget(), put(1, 'kettle'), put(2, 'kettle')], {
        through: [through(1, 1)],
      });
      const scope = everything(room, other);
      const again = await opened().reopen();
      expect(await found(again, 'lost', { scope })).toEqual([]);
      expect((await found(again, 'kettle', { scope })).sort()).toEqual(['1', '2', 'other-1']);
      expect(valueOf(await again.indexedThrough([room, other]))).toEqual([
        { gen: 1, seq: 1 },
        { gen: 1, seq: 1 },
      ]);
      await apply(again, [forget(), forget(conversationId('nowhere'))]);
      expect(await found(again, 'kettle', { scope })).toEqual(['other-1']);
      expect(valueOf(await again.indexedThrough([room]))).toEqual([null]);
      expect(valueOf(await again.stats())).toMatchObject({ messages: 1, conversations: 1 });
    });

    it('stays in the other version, and where the batch is refused', async () => {
      await apply(index(), [put(1, 'kettle')], { cursor: 'live-1' });
      valueOf(await index().beginRebuild());
      await apply(index(), [put(1, 'kettle'), put(2, 'kettle')], { into: 'next', through: [through(1, 2)] });
      const stale = { partition, after: 'live-0', cursor: 'live-2', changes: [forget()], through: [] };
      expect(await index().apply(stale)).toMatchObject({ ok: false, error: { code: 'cursor_moved' } });
      expect(await found(index(), 'kettle')).toEqual(['1']);
      await apply(index(), [forget()]);
      expect(await found(index(), 'kettle')).toEqual([]);
      valueOf(await index().finishRebuild());
      expect(await found(index(), 'kettle')).toEqual(['2', '1']);
      expect(valueOf(await index().indexedThrough([room]))).toEqual([{ gen: 1, seq: 2 }]);
    });
  });

  describe('a rebuild', () => {
    it('fills a new version beside the one that is searched, and takes its place at once', async () => {
      await apply(index(), [put(1, 'kettle'), put(2, 'stale')], { cursor: 'live-1', through: [through(1, 2)] });
      expect(await index().cursor(partition, 'next')).toMatchObject({ ok: false, error: { code: 'no_rebuild' } });
      expect(await index().finishRebuild()).toMatchObject({ ok: false, error: { code: 'no_rebuild' } });
      valueOf(await index().beginRebuild());
      expect(valueOf(await index().health())).toMatchObject({ isRebuilding: true, writable: true });
      expect(valueOf(await index().cursor(partition, 'next'))).toBe(null);
      await apply(index(), [put(1, 'kettle')], { into: 'next', cursor: 'next-1', through: [through(1, 1)] });
      // The live one goes on meanwhile.
      await apply(index(), [put(3, 'kettle')], { cursor: 'live-2' });
      expect(await found(index(), 'kettle')).toEqual(['3', '1']);
      const again = await opened().reopen();
      await apply(again, [put(3, 'kettle'), put(4, 'kettle')], { into: 'next', cursor: 'next-2' });
      expect(await found(again, 'kettle')).toEqual(['3', '1']);
      valueOf(await again.finishRebuild());
      expect(await found(again, 'kettle')).toEqual(['4', '3', '1']);
      expect(await found(again, 'stale')).toEqual([]);
      expect(valueOf(await again.cursor(partition))).toBe('next-2');
      expect(valueOf(await again.indexedThrough([room]))).toEqual([{ gen: 1, seq: 1 }]);
      expect(valueOf(await again.health())).toMatchObject({ isRebuilding: false });
      const third = await opened().reopen();
      await apply(third, [put(5, 'kettle')]);
      expect(await found(third, 'kettle')).toEqual(['5', '4', '3', '1']);
    });

    it('answers while it takes its place', async () => {
      await apply(index(), [put(1, 'kettle')]);
      valueOf(await index().beginRebuild());
      await apply(index(), [put(1, 'kettle')], { into: 'next' });
      const finishing = index().finishRebuild();
      const answers = await Promise.all(Array.from({ length: 20 }, () => found(index(), 'kettle')));
      expect(answers.every(([hit]) => hit === '1')).toBe(true);
      valueOf(await finishing);
      expect(await found(index(), 'kettle')).toEqual(['1']);
    });

    it('may be given up, or begun anew', async () => {
      await apply(index(), [put(1, 'kettle')]);
      valueOf(await index().beginRebuild());
      await apply(index(), [put(2, 'kettle')], { into: 'next' });
      valueOf(await index().beginRebuild());
      expect(valueOf(await index().cursor(partition, 'next'))).toBe(null);
      valueOf(await index().abandonRebuild());
      valueOf(await index().abandonRebuild());
      expect(await index().finishRebuild()).toMatchObject({ ok: false, error: { code: 'no_rebuild' } });
      expect(await found(index(), 'kettle')).toEqual(['1']);
    });

    it('does not bring back what is erased while it is under way', async () => {
      valueOf(await index().beginRebuild());
      await apply(
        index(),
        [put(1, 'kettle'), put(2, 'kettle', { sender: bob }), put(1, 'kettle', { conversation: other })],
        {
          into: 'next',
        },
      );
      valueOf(await index().eraseSender(bob));
      valueOf(await index().eraseConversation(other));
      valueOf(await index().finishRebuild());
      expect(await found(index(), 'kettle', { scope: everything(room, other) })).toEqual(['1']);
    });
  });
}
