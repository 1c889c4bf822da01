import { describe, expect, it } from 'vitest';
import { RELEVANCE_HITS_MAX } from '../search-index.ts';
import type { IndexUnderTest } from './index-under-test.ts';
import {
  allPages,
  apply,
  bob,
  everything,
  found,
  nameOf,
  other,
  pageOf,
  put,
  queryOf,
  remove,
  room,
  seen,
} from './messages.ts';

export function pageSuite(opened: () => IndexUnderTest): void {
  const index = () => opened().index;

  describe('pages', () => {
    it('by time have every hit once, newest first, also those of the same moment', async () => {
      const seqs = Array.from({ length: 23 }, (_, at) => at + 1);
      await apply(
        index(),
        seqs.flatMap((seq) => [
          put(seq, 'kettle', { at: 1_000 + (seq % 4) }),
          put(seq, 'kettle', { conversation: other, at: 1_000 + (seq % 3) }),
        ]),
      );
      const query = queryOf({ text: 'kettle', scope: everything(room, other), limit: 5, facets: true });
      const pages = await allPages(index(), query);
      const hits = pages.flatMap(({ hits: ofPage }) => ofPage);
      expect(hits.map(({ at }) => at)).toEqual(hits.map(({ at }) => at).sort((one, another) => another - one));
      expect(new Set(hits.map(nameOf)).size).toBe(46);
      expect(hits.length).toBe(46);
      for (const { total, facets } of pages) {
        expect(total).toBe(46);
        expect(facets?.map(({ count }) => count)).toEqual([23, 23]);
      }
    });

    it('by time go on behind the last hit, whatever comes or goes meanwhile', async () => {
      await apply(
        index(),
        [1, 2, 3, 4, 5, 6].map((seq) => put(seq, 'kettle')),
      );
      const query = queryOf({ text: 'kettle', limit: 2 });
      const first = await pageOf(index(), query);
      expect(first.hits.map(({ seq }) => seq)).toEqual([6, 5]);
      await apply(index(), [put(7, 'kettle'), put(8, 'kettle'), remove(5, 1), remove(3, 1)]);
      const second = await pageOf(index(), { ...query, cursor: first.next ?? '' });
      expect(second.hits.map(({ seq }) => seq)).toEqual([4, 2]);
      expect((await pageOf(index(), { ...query, cursor: second.next ?? '' })).hits.map(({ seq }) => seq)).toEqual([1]);
    });

    it('by time begin behind a hit that is named, as they would by a cursor', async () => {
      const seqs = Array.from({ length: 12 }, (_, at) => at + 1);
      await apply(
        index(),
        seqs.flatMap((seq) => [
          put(seq, 'kettle', { at: 1_000 + (seq % 3) }),
          put(seq, 'kettle', { conversation: other, at: 1_000 + (seq % 2) }),
        ]),
      );
      const query = queryOf({ text: 'kettle', scope: everything(room, other) });
      const all = (await pageOf(index(), query)).hits.map(nameOf);
      const whole = (await pageOf(index(), query)).hits;
      for (const [at, behind] of whole.entries()) {
        expect((await pageOf(index(), { ...query, behind })).hits.map(nameOf)).toEqual(all.slice(at + 1));
      }
      const ranked = { ...query, sort: 'relevance' as const, behind: whole[0] as NonNullable<(typeof whole)[number]> };
      await expect(index().search(ranked)).rejects.toThrow('by time alone');
    });

    it('by relevance have what is asked for itself before what mentions it in passing', async () => {
      const filler = 'some other words that stand around it and are read as well';
      await apply(index(), [
        put(1, `${filler} morning ${filler} good ${filler}`),
        put(2, 'good morning'),
        put(3, `${filler} good morning ${filler}`),
        put(4, `good ${filler}`),
        put(5, `morning ${filler} ${filler} ${filler} good`),
      ]);
      const inOrder = await found(index(), 'good morning', { sort: 'relevance' });
      expect(inOrder[0]).toBe('2');
      expect([...inOrder].sort()).toEqual(['1', '2', '3', '5']);
      expect(inOrder.indexOf('3')).toBeLessThan(inOrder.indexOf('1'));
    });

    it(`by relevance have every hit once, up to ${String(RELEVANCE_HITS_MAX)}; the total counts all`, async () => {
      const seqs = Array.from({ length: 300 }, (_, at) => at + 1);
      await apply(
        index(),
        seqs.map((seq) => put(seq, `kettle ${'on '.repeat(seq % 5)}`)),
      );
      const pages = await allPages(index(), queryOf({ text: 'kettle', sort: 'relevance', limit: 50 }));
      expect(pages.length).toBe(5);
      expect(new Set(pages.flatMap(({ hits }) => hits.map(nameOf))).size).toBe(RELEVANCE_HITS_MAX);
      expect(new Set(pages.map(({ total }) => total))).toEqual(new Set([300]));
    });

    it('go on for the same query only; a cursor that was made up is refused', async () => {
      await apply(
        index(),
        [1, 2, 3].map((seq) => put(seq, 'kettle')),
      );
      const query = queryOf({ text: 'kettle', limit: 1 });
      const cursor = (await pageOf(index(), query)).next ?? '';
      const others = [
        { ...query, text: 'tea', cursor },
        { ...query, sort: 'relevance' as const, cursor },
        { ...query, senders: [bob], cursor },
        { ...query, cursor: '' },
        { ...query, cursor: 'x' },
        { ...query, cursor: `${cursor}A` },
        { ...query, cursor: 'WyJ4Il0' },
      ];
      for (const one of others) {
        expect(await index().search(one)).toMatchObject({ ok: false, error: { code: 'bad_cursor', retry: 'never' } });
      }
      expect((await pageOf(index(), { ...query, limit: 9, cursor })).hits.map(({ seq }) => seq)).toEqual([2, 1]);
    });

    it('show nothing that the asker may not see any more when they go on', async () => {
      await apply(
        index(),
        [1, 2, 3, 4].map((seq) => put(seq, 'kettle')),
      );
      const query = queryOf({ text: 'kettle', limit: 1 });
      const first = await pageOf(index(), query);
      const narrower = await pageOf(index(), { ...query, scope: [seen(room, [[2, 2]])], cursor: first.next ?? '' });
      expect([narrower.hits.map(({ seq }) => seq), narrower.total]).toEqual([[2], 1]);
    });

    it('have one hit at least and a hundred at most', async () => {
      await expect(index().search(queryOf({ limit: 0 }))).rejects.toThrow('1 to 100');
      await expect(index().search(queryOf({ limit: 101 }))).rejects.toThrow('1 to 100');
    });
  });
}
