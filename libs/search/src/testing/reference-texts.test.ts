import { describe, expect, it } from 'vitest';
import { partOfRun, piecesOf, ReferenceTexts, says } from './reference-texts.ts';

describe('texts that are read a second time', () => {
  it('are words without case and accents, runs and pictographs', () => {
    expect(piecesOf('Tea, ÉTÉ & 咖啡店! 👍x')).toEqual(['tea', 'ete', '~咖啡店', '👍', 'x']);
    expect(piecesOf('Straße ﬁne ｶﾞ soft\u{ad}hyphen')).toEqual(['strasse', 'fine', '~ガ', 'softhyphen']);
    expect(piecesOf('x'.repeat(30))).toEqual(['x'.repeat(24), 'x'.repeat(6)]);
    expect(piecesOf('й и')).toEqual(['й', 'и']);
  });

  it('say what they have, and nothing else', () => {
    const pieces = piecesOf('the green kettle 我去北京大学 now');
    const side = (text: string) => says(pieces, { how: 'side by side', pieces: piecesOf(text) });
    expect(says(pieces, { how: 'words', pieces: ['kettle', 'the'] })).toBe(true);
    expect(says(pieces, { how: 'words', pieces: ['kettle', 'ket'] })).toBe(false);
    expect(says(pieces, { how: 'beginning', word: 'ket' })).toBe(true);
    expect([side('green kettle'), side('kettle green'), side('kettle 我去'), side('kettle 北京')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([side('大学 now'), side('北京 now'), side('京大')]).toEqual([true, false, true]);
    expect([says(pieces, partOfRun('京大')), says(pieces, partOfRun('大京'))]).toEqual([true, false]);
  });

  it('are found by lists as by a look at each of them', () => {
    const all = ['the kettle', 'kettles', '咖啡店', 'the 店', '啡咖', 'a kettle the other way'];
    const texts = new ReferenceTexts(all);
    const looked = (sought: Parameters<typeof says>[1]) =>
      all.flatMap((text, number) => (says(piecesOf(text), sought) ? [number] : []));
    const words = { how: 'words', pieces: ['the', 'kettle'] } as const;
    const beginning = { how: 'beginning', word: 'kett' } as const;
    const side = { how: 'side by side', pieces: ['the', '~店'] } as const;
    expect([texts.saying(words), texts.saying(beginning), texts.saying(side), texts.saying(partOfRun('咖啡'))]).toEqual(
      [[0, 5], [0, 1, 5], [3], [2]],
    );
    for (const sought of [words, beginning, side, partOfRun('啡')])
      expect(texts.saying(sought)).toEqual(looked(sought));
  });
});
