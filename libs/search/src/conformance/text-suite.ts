import { describe, expect, it } from 'vitest';
import type { IndexUnderTest } from './index-under-test.ts';
import { apply, found, put } from './messages.ts';

/** What is sent, in order of seq, and what is looked for: query, then the seqs that it finds. */
type Case = readonly [texts: readonly string[], ...queries: readonly (readonly [query: string, ...seqs: number[]])[]];

const CASES: Readonly<Record<string, Case>> = {
  'finds messages that have all words, in any order': [
    ['the kettle is on', 'the tea is on', 'is the kettle hot?'],
    ['kettle the', 1, 3],
    ['kettle on', 1],
    ['kettle tea'],
  ],
  'does not count case and accents': [
    ['Crème BRÛLÉE', 'creme', 'STRASSE', 'Straße', 'Ελληνικά', 'Ёлка', 'naïve'],
    ['creme', 1, 2],
    ['CRÈME brulee', 1],
    ['strasse', 3, 4],
    ['ΕΛΛΗΝΙΚΑ', 5],
    ['ελληνικά', 5],
    ['елка', 6],
    ['NAIVE', 7],
  ],
  'finds what is quoted as it is written': [
    ['new york city', 'york is new', 'a new old york'],
    ['"new york"', 1],
    ['"york city', 1],
    ['new "york"', 1, 2, 3],
    ['"new york" york', 1],
    ['“is new”', 2],
  ],
  'finds the beginning of the last word, and of no other': [
    ['kettles', 'kettle', 'ket tea'],
    ['kett', 1, 2],
    ['ket', 1, 2, 3],
    ['kett on'],
    ['ket tea', 3],
    ['"ket"', 3],
    ['ket ', 3],
  ],
  'does not take signs for anything': [
    ['e-mail: ann@example.com, room 3.14!', "don't", 'foo_bar', 'C++'],
    ['ann@example.com', 1],
    ['"ann@example.com"', 1],
    ['e-mail', 1],
    ['3.14', 1],
    ['dont'],
    ["don't", 2],
    ['bar foo', 3],
    ['c++', 4],
    ['?!'],
    ['""'],
  ],
  'finds Chinese words of one, two and more characters wherever they stand': [
    ['我今天喝咖啡', '咖啡店在哪里', '啡咖', '咖 啡', '我在北京大学学习', '北京的大学', '北京的京大和大学'],
    ['咖啡', 1, 2],
    ['咖', 1, 2, 3, 4],
    ['啡', 1, 2, 3, 4],
    ['我', 1, 5],
    ['北京大学', 5],
    ['北京 大学', 5, 6, 7],
    ['"咖 啡"', 4],
    ['里', 2],
    ['喝咖啡', 1],
  ],
  'finds Japanese in all of its scripts': [
    ['コーヒーを飲みました', '珈琲が好き', 'ｺｰﾋｰ', 'がんばって', 'かんばって', '5月3日に会いましょう', '５月'],
    ['コーヒー', 1, 3],
    ['飲み', 1],
    ['が', 2, 4],
    ['か', 5],
    ['5月', 6, 7],
    ['"3日に"', 6],
    ['"月3"', 6],
    ['3日に会', 6],
  ],
  'finds Korean words with what is joined to them, composed or not': [
    ['학교에 갔어요', '우리 학교는', '교학', '학교에'.normalize('NFD')],
    ['학교', 1, 2, 4],
    ['학', 1, 2, 3, 4],
    ['우리 학교', 2],
    ['갔어', 1],
  ],
  'finds Thai within a text without spaces': [
    ['ผมชอบกินข้าวผัด', 'ข้าวสวย', 'ผัดไทย'],
    ['ข้าว', 1, 2],
    ['ผัด', 1, 3],
    ['กินข้าว', 1],
  ],
  'finds words of other scripts, with the marks that make them': [
    ['Привет, мир', 'किताब पढ़ना', 'कताब', 'مَرْحَبًا', 'שָׁלוֹם'],
    ['привет', 1],
    ['किताब', 2],
    ['مرحبا', 4],
    ['שלום', 5],
  ],
  'finds where scripts meet': [
    ['我的iPhone手机', 'iphone', '手机'],
    ['iphone手机', 1],
    ['手机 iphone', 1],
    ['"的iPhone手"', 1],
    ['"我iPhone"'],
    ['iph', 1, 2],
  ],
  'finds pictographs': [
    ['well done 👍', '👍🏽👍', '🇩🇪', '❤️'],
    ['👍', 1, 2],
    ['done 👍', 1],
    ['🇩🇪', 3],
    ['❤', 4],
  ],
  'finds numbers and codes, however long': [
    ['order 20231107', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'a94a8fe5ccb19ba61c4c0873', 'x'.repeat(5_000)],
    ['20231107', 1],
    ['2023', 1],
    ['a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 2],
    ['a94a8', 2, 3],
    ['a94a8fe5ccb19ba61c4c0873d391e987982fbbd'],
    ['x'.repeat(100)],
  ],
  'takes what is typed for text, never for a query language': [
    ['NOT OR AND NEAR', 'a* (b) {c}: ^d', 'kettle', 'k`e` && || :='],
    ['or', 1],
    ['AND near', 1],
    ['a*', 2],
    ['b)', 2],
    ['tokens:kettle'],
    ['-kettle', 3],
    ['k`e', 4],
    ['*'],
    ["'; --"],
  ],
};

export function textSuite(opened: () => IndexUnderTest): void {
  describe('a text', () => {
    for (const [behaviour, [texts, ...queries]] of Object.entries(CASES)) {
      it(behaviour, async () => {
        const { index } = opened();
        await apply(
          index,
          texts.map((text, at) => put(at + 1, text)),
        );
        for (const [query, ...seqs] of queries) {
          const inOrder = (await found(index, query)).map(Number).sort((one, another) => one - another);
          expect([query, ...inOrder]).toEqual([query, ...seqs]);
        }
      });
    }

    it('is not looked for when the query has none, and nothing is found by an empty one', async () => {
      const { index } = opened();
      await apply(index, [put(1, 'kettle'), put(2, '', { type: 'image' })]);
      const [all, none] = await Promise.all([index.search({ scope: [], sort: 'time', limit: 9 }), found(index, '')]);
      expect(all).toMatchObject({ ok: true, value: { hits: [], total: 0, next: null } });
      expect(none).toEqual([]);
    });

    it('whose last word is whole on demand finds no longer one', async () => {
      const { index } = opened();
      await apply(index, [put(1, 'kettle'), put(2, 'kettles')]);
      expect(await found(index, 'kettle', { prefix: false })).toEqual(['1']);
      expect(await found(index, 'kett', { prefix: false })).toEqual([]);
    });

    it('that is too long to look for is told as such', async () => {
      const { index } = opened();
      const search = (text: string) => index.search({ scope: [], text, sort: 'time', limit: 9 });
      expect(await search('word '.repeat(33))).toMatchObject({ ok: false, error: { code: 'bad_query' } });
      expect(await search('x'.repeat(1_001))).toMatchObject({ ok: false, error: { code: 'bad_query' } });
    });
  });
}
