import { describe, expect, it } from 'vitest';
import { unitsOf } from './units.ts';

const shown = (text: string): readonly string[] => unitsOf(text).map(({ kind, text: folded }) => `${kind} ${folded}`);

describe('the units of a text', () => {
  it('are folded words, runs of scripts without spaces, and pictographs', () => {
    expect(shown('Tea, ÉTÉ & 咖啡店! 👍x')).toEqual(['word tea', 'word ete', 'run 咖啡店', 'symbol 👍', 'word x']);
    expect(shown(' ,.!')).toEqual([]);
    expect(shown('')).toEqual([]);
  });

  it('stand where they are in the text, whatever became of their characters', () => {
    const text = 'a ﬁne Straße, ｶﾞ';
    const places = unitsOf(text).map(({ text: folded, start, end }) => [folded, text.slice(start, end)]);
    expect(places).toEqual([
      ['a', 'a'],
      ['fine', 'ﬁne'],
      ['strasse', 'Straße'],
      ['ガ', 'ｶﾞ'],
    ]);
    const [run] = unitsOf('咖啡');
    expect(run?.places).toEqual([
      { start: 0, end: 1 },
      { start: 1, end: 2 },
    ]);
  });

  it('keep what marks tell apart where they make another word, and drop them where they do not', () => {
    expect(shown('か')).not.toEqual(shown('が'));
    expect(shown('й')).not.toEqual(shown('и'));
    expect(shown('é')).toEqual(shown('e\u{301}'));
    expect(shown('soft\u{ad}hyphen')).toEqual(['word softhyphen']);
  });

  it('of a long word are its pieces, alike in ASCII and beyond', () => {
    const pieces = (text: string) => unitsOf(text).map(({ text: { length }, joined }) => [length, joined]);
    expect(pieces('x'.repeat(50))).toEqual([
      [24, false],
      [24, true],
      [2, true],
    ]);
    expect(pieces('é'.repeat(25))).toEqual([
      [24, false],
      [1, true],
    ]);
    expect(unitsOf('ab1 cd').map(({ text }) => text)).toEqual(
      unitsOf('ab1 cd é')
        .slice(0, 2)
        .map(({ text }) => text),
    );
  });
});
