import { sequenceId } from '@millrace/kernel';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IndexUnderTest } from './index-under-test.ts';
import {
  ann,
  apply,
  bob,
  conversationId,
  everything,
  found,
  other,
  pageOf,
  partition,
  put,
  remove,
  room,
  seen,
  userId,
  valueOf,
} from './messages.ts';

/** Ids that differ in what engines of search like to ignore: case, signs, what comes behind. */
const ALIKE = ['Team', 'team', 'te.am', 'te-am', 'team1', 'team=', 'team%', 'team@team', 'team!team'].map(
  conversationId,
);

export function scopeSuite(opened: () => IndexUnderTest): void {
  const index = () => opened().index;

  describe('what the asker may see (I7)', () => {
    beforeEach(async () => {
      const seqs = Array.from({ length: 12 }, (_, at) => at + 1);
      await apply(
        index(),
        seqs.flatMap((seq) => [put(seq, 'kettle 咖啡'), put(seq, 'kettle 咖啡', { conversation: other })]),
      );
    });

    it('is everything for the deployment itself', async () => {
      const all = await pageOf(index(), { text: 'kettle', scope: 'everything' });
      expect([all.hits.length, all.total]).toEqual([24, 24]);
      expect((await pageOf(index(), { scope: 'everything', types: ['image'] })).total).toBe(0);
      await expect(pageOf(index(), { scope: 'everything', facets: true })).rejects.toThrow('not counted');
    });

    it('bounds hits, totals and counts, by the seqs of each conversation', async () => {
      const scope = [
        seen(room, [
          [3, 4],
          [7, 7],
          [11, 99],
        ]),
        seen(other, [[1, 2]]),
      ];
      for (const text of ['kettle', '咖啡', '咖', 'ket', '"kettle 咖"', undefined]) {
        const page = await pageOf(index(), { scope, facets: true, ...(text === undefined ? {} : { text }) });
        expect(page.hits.map(({ conversation, seq }) => `${conversation} ${String(seq)}`).sort()).toEqual([
          'other 1',
          'other 2',
          'room 11',
          'room 12',
          'room 3',
          'room 4',
          'room 7',
        ]);
        expect(page.total).toBe(7);
        expect(page.facets).toEqual([
          { conversation: room, count: 5 },
          { conversation: other, count: 2 },
        ]);
        expect(page.next).toBe(null);
      }
    });

    it('leaves out what they deleted for themselves, and nobody else', async () => {
      const scope = [seen(room, [[1, 6]], [2, 3, 6, 9])];
      const page = await pageOf(index(), { text: 'kettle', scope, facets: true });
      expect(page.hits.map(({ seq }) => seq)).toEqual([5, 4, 1]);
      expect([page.total, page.facets]).toEqual([3, [{ conversation: room, count: 3 }]]);
      expect((await pageOf(index(), { text: 'kettle', scope: [seen(room, [[1, 6]])] })).total).toBe(6);
    });

    it('may be nothing: of no conversation, of an unknown one, of no seq', async () => {
      for (const scope of [
        [],
        [seen(conversationId('nobody'), [[1, 99]])],
        [seen(room, [])],
        [seen(room, [[5, 4]])],
        [seen(room, [[5, 5]], [5])],
      ]) {
        const page = await pageOf(index(), { text: 'kettle', scope, facets: true });
        expect(page).toEqual({ hits: [], total: 0, facets: [], next: null });
      }
    });

    it('may overlap itself, and a message is counted once', async () => {
      const page = await pageOf(index(), {
        text: 'kettle',
        scope: [
          seen(room, [
            [4, 6],
            [1, 5],
            [6, 7],
            [2, 3],
          ]),
        ],
      });
      expect(page.hits.map(({ seq }) => seq)).toEqual([7, 6, 5, 4, 3, 2, 1]);
      expect(page.total).toBe(7);
    });

    it('knows conversations and users apart whose ids are alike', async () => {
      for (const [at, conversation] of ALIKE.entries()) {
        await apply(index(), [put(1, 'alike', { conversation, sender: userId(`U${'.'.repeat(at)}u`) })]);
      }
      for (const conversation of ALIKE) {
        const page = await pageOf(index(), { text: 'alike', scope: everything(conversation), facets: true });
        expect(page.facets).toEqual([{ conversation, count: 1 }]);
      }
      const query = { text: 'alike', scope: everything(...ALIKE) };
      expect((await pageOf(index(), { ...query, senders: [userId('Uu')] })).total).toBe(1);
      expect((await pageOf(index(), { ...query, senders: [userId('u.U')] })).total).toBe(0);
    });

    it('may be hundreds of conversations with intervals of their own', async () => {
      const rooms = Array.from({ length: 700 }, (_, at) => conversationId(`room-${String(at)}`));
      for (let from = 0; from < rooms.length; from += 100) {
        await apply(
          index(),
          rooms
            .slice(from, from + 100)
            .flatMap((conversation, at) =>
              [1, 2, 3].map((seq) => put(seq, 'common', { conversation, at: from + at + seq * 10_000 })),
            ),
        );
      }
      const scope = rooms.slice(0, 600).map((conversation, at) => seen(conversation, [[1 + (at % 3), 3 + (at % 40)]]));
      const page = await pageOf(index(), { text: 'common', scope, facets: true, limit: 10 });
      expect(page.total).toBe(200 * (3 + 2 + 1));
      expect(page.facets?.length).toBe(600);
      expect(page.hits.map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, at) => 30_599 - at));
    });
  });

  describe('fields', () => {
    it('narrow by sender, type, time and mention', async () => {
      await apply(index(), [
        put(1, 'kettle', { at: 1_000 }),
        put(2, 'kettle', { at: 2_000, sender: bob, mentions: [ann, userId('cleo')] }),
        put(3, 'kettle', { at: 3_000, type: 'image', mentionAll: true }),
        put(4, '', { at: 4_000, type: 'file', sender: bob }),
      ]);
      expect(await found(index(), 'kettle', { senders: [bob] })).toEqual(['2']);
      expect(await found(index(), 'kettle', { senders: [bob, ann] })).toEqual(['3', '2', '1']);
      expect(await found(index(), 'kettle', { senders: [] })).toEqual([]);
      expect(await found(index(), 'kettle', { types: ['image', 'file'] })).toEqual(['3']);
      expect(await found(index(), 'kettle', { since: 2_000, until: 2_000 })).toEqual(['2']);
      expect(await found(index(), 'kettle', { since: 2_001 })).toEqual(['3']);
      expect(await found(index(), 'kettle', { until: 1_999 })).toEqual(['1']);
      expect(await found(index(), 'kettle', { mentioning: ann })).toEqual(['3', '2']);
      expect(await found(index(), 'kettle', { mentioning: bob })).toEqual(['3']);
      const without = async (query: Parameters<typeof pageOf>[1]) =>
        (await pageOf(index(), query)).hits.map(({ seq }) => seq);
      expect(await without({ senders: [bob] })).toEqual([4, 2]);
      expect(await without({ mentioning: userId('cleo') })).toEqual([3, 2]);
      expect(await without({})).toEqual([4, 3, 2, 1]);
    });

    it('of the application narrow by value and by bounds, each kind for itself', async () => {
      await apply(index(), [
        put(1, 'order', { fields: { status: 'open', amount: 5, paid: false } }),
        put(2, 'order', { fields: { status: 'Open', amount: 50, paid: true } }),
        put(3, 'order', { fields: { status: '5', amount: -7 } }),
        put(4, 'order', { fields: { Status: 'open', amount: Number.MAX_SAFE_INTEGER } }),
      ]);
      const by = (...fields: NonNullable<Parameters<typeof pageOf>[1]['fields']>) =>
        found(index(), 'order', { fields });
      expect(await by({ name: 'status', is: 'open' })).toEqual(['1']);
      expect(await by({ name: 'status', is: 5 })).toEqual([]);
      expect(await by({ name: 'amount', is: 5 })).toEqual(['1']);
      expect(await by({ name: 'amount', min: 5, max: 50 })).toEqual(['2', '1']);
      expect(await by({ name: 'amount', max: 0 })).toEqual(['3']);
      expect(await by({ name: 'amount', min: Number.MAX_SAFE_INTEGER })).toEqual(['4']);
      expect(await by({ name: 'paid', is: true })).toEqual(['2']);
      expect(await by({ name: 'paid', is: false })).toEqual(['1']);
      expect(await by({ name: 'paid', is: 0 })).toEqual([]);
      expect(await by({ name: 'amount', min: 0 }, { name: 'status', is: 'Open' })).toEqual(['2']);
      expect(await by({ name: 'unheard_of', is: 1 })).toEqual([]);
      expect(await by({ name: 'unheard_of', min: 1 })).toEqual([]);
    });

    it('come back with a hit as they stand', async () => {
      const at = 1_700_000_000_123;
      await apply(index(), [put(6, 'teapot', { gen: 3, rev: 4, sender: bob, type: 'custom', at })]);
      expect((await pageOf(index(), { text: 'teapot' })).hits).toEqual([
        { conversation: room, gen: 3, seq: 6, rev: 4, sender: bob, type: 'custom', at },
      ]);
      const direct = conversationId('ann!bob');
      await apply(index(), [put(1, 'teapot', { conversation: direct }), remove(6, 5, room, 3)]);
      const [hit] = (await pageOf(index(), { text: 'teapot', scope: everything(direct, room) })).hits;
      expect(hit?.conversation).toBe(direct);
      expect(valueOf(await index().cursor(partition))).not.toBe(null);
      expect(hit?.seq).toBe(sequenceId(1));
    });
  });
}
