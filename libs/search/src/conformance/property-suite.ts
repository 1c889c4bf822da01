import { sequenceId, type ConversationId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, SearchQuery } from '../search-index.ts';
import { MemorySearch } from '../testing/memory-search.ts';
import type { IndexUnderTest } from './index-under-test.ts';
import {
  allPages,
  ann,
  apply,
  bob,
  conversationId,
  cut,
  erase,
  forget,
  nameOf,
  put,
  remove,
  seen,
} from './messages.ts';

const SEQ_MAX = 12;

/** Few pieces, so that they often meet: parts of words, of runs, and what may stand between. */
const piece = fc.constantFrom(
  ...[
    'ket',
    'kettle',
    'tea',
    'é',
    'ß',
    'a',
    '5',
    '咖',
    '啡',
    '咖啡',
    '啡店',
    '店',
    'コーヒー',
    'が',
    '학교',
    '에',
    'ข้าว',
    'ผัด',
    '👍',
  ],
  ...['и', 'мир', 'Ⅳ', 'ﬁ', 'ｶﾞ', '\u{301}', '\u{200d}', 'x'.repeat(30)],
);
const glue = fc.constantFrom('', '', '', ' ', ' ', '-', '、', '"', "'");
const text = fc
  .array(fc.tuple(piece, glue), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.map(([one, behind]) => one + behind).join(''));

interface Draft {
  readonly who: number;
  readonly seq: number;
  readonly what: 'put' | 'remove' | 'cut' | 'erase' | 'forget';
  readonly text: string;
  readonly gen: number;
  readonly rev: number;
  readonly at: number;
  readonly isBob: boolean;
  readonly mentioned: boolean;
  readonly amount: number;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  who: fc.nat({ max: 2 }),
  seq: fc.integer({ min: 1, max: SEQ_MAX }),
  what: fc.oneof(
    { weight: 12, arbitrary: fc.constant('put' as const) },
    { weight: 2, arbitrary: fc.constant('remove' as const) },
    { weight: 1, arbitrary: fc.constant('cut' as const) },
    { weight: 1, arbitrary: fc.constant('erase' as const) },
    { weight: 1, arbitrary: fc.constant('forget' as const) },
  ),
  text,
  gen: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(2) }),
  rev: fc.nat({ max: 2 }),
  at: fc.nat({ max: 6 }),
  isBob: fc.boolean(),
  mentioned: fc.boolean(),
  amount: fc.nat({ max: 3 }),
});

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const interval = fc.tuple(fc.integer({ min: 1, max: SEQ_MAX }), fc.integer({ min: 1, max: SEQ_MAX }));

const question = fc.record({
  text: fc.oneof(
    { weight: 6, arbitrary: fc.oneof(piece, text) },
    // What was written, or a part of it, quoted.
    { weight: 2, arbitrary: text.map((one) => `"${one.replaceAll('"', '')}"`) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
  prefix: fc.boolean(),
  sort: fc.constantFrom('time' as const, 'relevance' as const),
  limit: fc.integer({ min: 1, max: 9 }),
  scope: fc.array(
    fc.record({
      intervals: fc.array(interval, { minLength: 0, maxLength: 3 }),
      hidden: fc.array(fc.integer({ min: 1, max: SEQ_MAX }), { maxLength: 2 }),
    }),
    { minLength: 3, maxLength: 3 },
  ),
  isWhole: fc.boolean(),
  isBob: maybe(fc.boolean()),
  mentioned: maybe(fc.constant(true)),
  since: maybe(fc.nat({ max: 6 })),
  amount: maybe(fc.nat({ max: 3 })),
  amountMin: maybe(fc.nat({ max: 3 })),
});

type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

function changeOf(names: readonly ConversationId[], one: Draft): Change {
  const conversation = names[one.who] ?? conversationId('none');
  if (one.what === 'remove') return remove(one.seq, one.rev, conversation, one.gen);
  if (one.what === 'cut') return cut(2, one.seq, conversation);
  if (one.what === 'erase') return erase(one.isBob ? bob : ann, one.seq, conversation);
  if (one.what === 'forget') return forget(conversation);
  // Of one version there is one text: so it is with messages, too.
  return put(one.seq, one.text, {
    conversation,
    gen: one.gen,
    rev: one.rev,
    at: one.at,
    sender: one.isBob ? bob : ann,
    mentions: one.mentioned ? [ann] : [],
    fields: { amount: one.amount },
  });
}

function queryOf(names: readonly ConversationId[], asked: Question): SearchQuery {
  const { isBob, mentioned, since, amount, amountMin } = asked;
  return {
    scope: names.map((name, at) =>
      asked.isWhole
        ? seen(name, [[1, SEQ_MAX]])
        : seen(name, asked.scope[at]?.intervals ?? [], asked.scope[at]?.hidden),
    ),
    ...(asked.text === undefined ? {} : { text: asked.text }),
    prefix: asked.prefix,
    sort: asked.sort,
    limit: asked.limit,
    facets: true,
    ...(isBob === undefined ? {} : { senders: [isBob ? bob : ann] }),
    ...(mentioned === undefined ? {} : { mentioning: ann }),
    ...(since === undefined ? {} : { since }),
    fields: [
      ...(amount === undefined ? [] : [{ name: 'amount', is: amount }]),
      ...(amountMin === undefined ? [] : [{ name: 'amount', min: amountMin }]),
    ],
  };
}

export function propertySuite(opened: () => IndexUnderTest, runs: number): void {
  describe('whatever is written and asked', () => {
    it('finds exactly what a look at every visible message finds', async () => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(draft, { minLength: 5, maxLength: 40 }),
          fc.array(question, { minLength: 8, maxLength: 8 }),
          async (drafts, questions) => {
            round += 1;
            const { index } = opened();
            const model = new MemorySearch();
            const names = [0, 1, 2].map((at) => conversationId(`c${String(round)}.${String(at)}`));
            const changes = drafts.map((one) => changeOf(names, one));
            const middle = Math.floor(changes.length / 2);
            for (const part of [changes.slice(0, middle), changes.slice(middle), changes.slice(middle)]) {
              await apply(index, part);
              await apply(model, part);
            }
            for (const asked of questions) {
              const query = queryOf(names, asked);
              const [pages, expected] = [await allPages(index, query), await allPages(model, query)];
              const hits = pages.flatMap(({ hits: ofPage }) => ofPage);
              const inOrder = (all: typeof hits) =>
                [...all].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1)).map((hit) => JSON.stringify(hit));
              expect(inOrder(hits)).toEqual(inOrder(expected.flatMap(({ hits: ofPage }) => ofPage)));
              expect(pages.map(({ total }) => total)).toEqual(expected.map(({ total }) => total));
              const counts = (facets = pages[0]?.facets) =>
                [...(facets ?? [])].sort((one, other) => (one.conversation < other.conversation ? -1 : 1));
              expect(counts()).toEqual(counts(expected[0]?.facets));
              const times = hits.map(({ at }) => at);
              if (query.sort === 'time') expect(times).toEqual([...times].sort((one, other) => other - one));
            }
          },
        ),
        { numRuns: runs },
      );
      expect(sequenceId(round)).toBeGreaterThan(0);
    });
  });
}
