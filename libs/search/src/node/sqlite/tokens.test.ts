import { describe, expect, it } from 'vitest';
import { unitsOf } from '../../text/units.ts';
import { wantedOf } from '../../text/wanted.ts';
import { matchInOrder, matchOf, tokensOf } from './tokens.ts';

const tokens = (text: string): readonly string[] => tokensOf(unitsOf(text));
const match = (query: string): string => matchOf(wantedOf(query, true));

describe('tokens', () => {
  it('are words, and the pairs of runs with the character that each ends with', () => {
    expect(tokens('Hot 咖啡店, 茶!')).toEqual(['hot', '咖啡', '啡店', '店', '茶']);
    expect(tokens('')).toEqual([]);
  });
});

describe('a match', () => {
  it('asks for all words, for the last one by its beginning', () => {
    expect(match('hot ket')).toBe('"hot" AND "ket" *');
    expect(match('hot ket ')).toBe('"hot" AND "ket"');
  });

  it('asks for pairs of a run side by side, and for one character by the pair that it begins', () => {
    expect(match('咖啡店')).toBe('"咖啡 啡店"');
    expect(match('咖')).toBe('"咖" *');
    expect(match('"咖 啡"')).toBe('"咖 啡" *');
    expect(match('"喝咖 tea"')).toBe('"喝咖 咖 tea"');
  });

  it('has the whole query in order only where there is an order', () => {
    expect(matchInOrder(wantedOf('tea', true))).toBe(null);
    expect(matchInOrder(wantedOf('咖啡 tea', true))).toBe('"咖啡 啡 tea"');
  });
});
