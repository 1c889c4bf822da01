import { describe, expect, it } from 'vitest';
import { unitsOf } from '../../text/units.ts';
import { wantedOf } from '../../text/wanted.ts';
import { encodedWord, keyOf, laneOf } from './encoded.ts';
import { codesOf, queryCodes, textFilters } from './text-codes.ts';

describe('a code', () => {
  it('is of letters and digits, another one for every word, and begins as its word does', () => {
    const words = ['tea', 'teapot', 'zebra', 'yz', 'é', 'мир', '咖', '\u{1f44d}', '\u{fffd}', 'a1', '0'];
    const codes = words.map(encodedWord);
    expect(new Set(codes).size).toBe(words.length);
    for (const code of codes) expect(code).toMatch(/^[a-z0-9]+$/);
    expect(encodedWord('миру').startsWith(encodedWord('мир'))).toBe(true);
    expect(encodedWord('teapot').startsWith(encodedWord('tea'))).toBe(true);
    expect(encodedWord('咖'.repeat(24)).length).toBeLessThanOrEqual(100);
  });

  it('of a run is one for each character, with a boundary to the next run', () => {
    expect(codesOf(unitsOf('咖啡 tea'))).toEqual([encodedWord('咖'), encodedWord('啡'), 'tea']);
    expect(codesOf(unitsOf('咖 啡'))).toEqual([encodedWord('咖'), 'zz', encodedWord('啡')]);
    expect(textFilters(wantedOf('hot 咖啡 ', true))).toEqual([
      'words:hot',
      `words:"${encodedWord('咖')} ${encodedWord('啡')}"`,
    ]);
    expect(queryCodes(wantedOf('hot tea', true), true)).toBe('hot tea');
    expect(queryCodes(wantedOf('hot tea', true), false)).toBe('tea');
    expect(queryCodes(wantedOf('hot tea ', true), false)).toBe('*');
  });

  it('of an id is its own, whatever the ids have in common', () => {
    expect(new Set(['Team', 'team', 'te.am', 'team '].map(keyOf)).size).toBe(4);
    expect(keyOf('team')).toMatch(/^[0-9a-f]{32}$/);
    expect(Number.isSafeInteger(laneOf('f'.repeat(32)))).toBe(true);
  });
});
