import fc from 'fast-check';
import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { encodeEntry, WireEntry } from '@millrace/protocol';
import type { SearchHit, SearchPage, SearchQuery } from '@millrace/search';
import { describe, expect, it } from 'vitest';
import { countFound, pageByRelevance, pageByTime, type IndexQuery } from './found-pages.ts';
import type { IndexStreamParts } from './index-stream.ts';
import { byTime, type Match } from './match.ts';
import type { PageCursor } from './search-cursor.ts';
import { queryOf, type AskedQuery } from './search-query.ts';

type Cursor = Parameters<typeof pageByTime>[4];
const index: IndexQuery = { scope: 'everything' };

function query(asked: Parameters<typeof queryOf>[0]): AskedQuery {
  const outcome = queryOf(asked);
  if (!outcome.ok) throw new Error(outcome.error.message);
  return outcome.value;
}

/** One message of a made-up world: where the index has it, whether it is a hit still. */
interface Made {
  readonly room: 'a' | 'b';
  readonly at: number;
  readonly where: 'index' | 'gone' | 'beside';
}

const matchOf = ({ room, at }: Made, seq: number): Match => {
  const fields = { msgNo: 1, countable: true, from: 'ann' as UserId, deviceTag: 0, n: 0, sentAt: 0 };
  const data = encodeEntry({ ...fields, at, type: 'text', body: 'kettle' });
  const entry = new WireEntry(generation(1), sequenceId(seq), data);
  return { conversation: room as ConversationId, entry, at, text: 'kettle', places: [] };
};
/** Asks for a first page, and for one behind each that says that there is more. */
async function everyPage(ask: (cursor: Cursor) => Promise<PageCursor | null>): Promise<void> {
  let cursor = (await ask(null)) as Cursor;
  while (cursor !== null) cursor = (await ask(cursor)) as Cursor;
}

const nameOf = ({ conversation, entry }: Match): string => `${conversation}${String(entry.seq)}`;

/** An index of these that pages like a real one: by time, in an order of its own among those of one moment. */
function indexOf(all: readonly (Made & { readonly match: Match })[]): IndexStreamParts & { asked: number } {
  const held = all.filter(({ where }) => where !== 'beside');
  held.sort((one, other) => other.at - one.at || (nameOf(one.match) < nameOf(other.match) ? 1 : -1));
  const hits = held.map(({ match, at }): SearchHit => {
    const { conversation, entry } = match;
    return { conversation, gen: entry.gen, seq: entry.seq, rev: 0, sender: 'ann' as UserId, type: 'text', at };
  });
  const isSame = (
    one: Pick<SearchHit, 'conversation' | 'seq'>,
    other: Pick<SearchHit, 'conversation' | 'seq'>,
  ): boolean => one.conversation === other.conversation && one.seq === other.seq;
  const parts = {
    asked: 0,
    async ask({ cursor, behind, limit, until = Infinity }: SearchQuery): Promise<SearchPage> {
      parts.asked += 1;
      const left = hits.filter(({ at }) => at <= until);
      const after = behind === undefined ? 0 : left.findIndex((hit) => isSame(hit, behind)) + 1;
      const from = cursor === undefined ? after : Number(cursor);
      const page = left.slice(from, from + limit);
      return { hits: page, total: left.length, next: from + limit < left.length ? String(from + limit) : null };
    },
    async check(found: readonly SearchHit[]) {
      return found.map((hit) => {
        const one = all.find(({ match }) => isSame({ conversation: match.conversation, seq: match.entry.seq }, hit));
        return one?.where === 'index' ? one.match : null;
      });
    },
  };
  return parts;
}

const made = fc.array(
  fc.record({
    room: fc.constantFrom('a' as const, 'b' as const),
    at: fc.integer({ min: 1, max: 12 }),
    where: fc.constantFrom('index' as const, 'index' as const, 'gone' as const, 'beside' as const),
  }),
  { maxLength: 40 },
);

describe('pages', () => {
  it('by time have what is from the index and what is not, each once and in one order, and end without a word too many', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.integer({ min: 1, max: 5 }), async (world, limit) => {
        const all = world.map((one, at) => ({ ...one, match: matchOf(one, at + 1) }));
        const parts = indexOf(all);
        const beside = all
          .filter(({ where }) => where === 'beside')
          .map(({ match }) => match)
          .sort(byTime);
        const expected = all.filter(({ where }) => where !== 'gone').map(({ match }) => match);
        const told: Match[] = [];
        await everyPage(async (cursor) => {
          const page = await pageByTime(parts, query({ limit }), index, beside, cursor);
          told.push(...page.matches);
          // A page that says that there is more tells the truth: what is gone is not even counted.
          if (page.next !== null) expect(told.length).toBeLessThan(expected.length);
          return page.next;
        });
        expect(told.map(nameOf).sort()).toEqual(expected.map(nameOf).sort());
        expect(told.map(({ at }) => at)).toEqual(expected.map(({ at }) => at).sort((one, other) => other - one));
        const counts = await countFound(parts, index, beside);
        expect([counts.total, counts.exact]).toEqual([expected.length, true]);
      }),
      { numRuns: 300 },
    );
  });

  it('go on when what was beside the index is in it by then: nothing is lost, and nothing of another moment comes twice', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.integer({ min: 1, max: 5 }), fc.integer(), async (world, limit, seed) => {
        let all = world.map((one, at) => ({ ...one, match: matchOf(one, at + 1) }));
        const expected = all.filter(({ where }) => where !== 'gone').map(({ match }) => match);
        const told: Match[] = [];
        let round = seed;
        await everyPage(async (cursor) => {
          const beside = all
            .filter(({ where }) => where === 'beside')
            .map(({ match }) => match)
            .sort(byTime);
          const page = await pageByTime(indexOf(all), query({ limit }), index, beside, cursor);
          const before = told.at(-1)?.at ?? Infinity;
          for (const match of page.matches) {
            const isTold = told.some((each) => nameOf(each) === nameOf(match));
            if (isTold) expect(match.at).toBe(before);
            else told.push(match);
          }
          round = Math.abs(Math.imul(round, 31) + 7);
          all = all.map((one, at) =>
            one.where === 'beside' && (at + round) % 2 === 0 ? { ...one, where: 'index' } : one,
          );
          return page.next;
        });
        expect(told.map(nameOf).sort()).toEqual(expected.map(nameOf).sort());
      }),
      { numRuns: 300 },
    );
  });

  it('by relevance are in one order, though the index has another', async () => {
    const texts = ['a green kettle over there', 'green kettle', 'kettle green', 'kettle, and then green'];
    const all = texts.map((text, at) => ({
      ...{ room: 'a' as const, at, where: at === 1 ? ('beside' as const) : ('index' as const) },
      match: { ...matchOf({ room: 'a', at, where: 'index' }, at + 1), text },
    }));
    const beside = all.filter(({ where }) => where === 'beside').map(({ match }) => match);
    const asked = query({ text: 'green kettle', sort: 'relevance', limit: 3 });
    const first = await pageByRelevance(indexOf(all), asked, index, beside, 0);
    expect(first.matches.map(({ text }) => text)).toEqual([texts[1], texts[0], texts[2]]);
    expect(first.next).toEqual({ sort: 'relevance', shown: 3 });
    const rest = await pageByRelevance(indexOf(all), asked, index, beside, 3);
    expect([rest.matches.map(({ text }) => text), rest.next]).toEqual([[texts[3]], null]);
  });

  it('stop after a thousand hits that are none any more, and go on from there (I9)', async () => {
    const all = Array.from({ length: 2_500 }, (_, seq) => {
      const one: Made = { room: 'a', at: 5_000 - seq, where: seq === 2_400 ? 'index' : 'gone' };
      return { ...one, match: matchOf(one, seq + 1) };
    });
    const parts = indexOf(all);
    const found: number[] = [];
    let pages = 0;
    await everyPage(async (cursor) => {
      parts.asked = 0;
      const page = await pageByTime(parts, query({}), index, [], cursor);
      expect(parts.asked).toBeLessThanOrEqual(12);
      found.push(...page.matches.map(({ at }) => at));
      pages += 1;
      return page.next;
    });
    expect([found, pages]).toEqual([[2_600], 3]);
    expect(await countFound(parts, index, [])).toMatchObject({ total: 0, exact: false });
  });
});
