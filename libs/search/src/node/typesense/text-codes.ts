import { charactersOf, type Unit } from '../../text/units.ts';
import type { Wanted } from '../../text/wanted.ts';
import { encodedWord } from './encoded.ts';

/** Between two runs that nothing else stands between. No code of a word is it. */
const BOUNDARY = 'zz';
/** So many codes are asked for to tell what fits best. */
const RANKED_MAX = 8;

/**
 * What stands for a text in Typesense: a code for each word and for each single character of a run. A part of a run is then
 * a phrase of its characters, a word of one character a code.
 */
export function codesOf(units: readonly Unit[]): readonly string[] {
  const codes: string[] = [];
  let isBehindRun = false;
  for (const { kind, text } of units) {
    const isRun = kind === 'run';
    if (isRun && isBehindRun) codes.push(BOUNDARY);
    codes.push(...(isRun ? charactersOf(text) : [text]).map(encodedWord));
    isBehindRun = isRun;
  }
  return codes;
}

/** Each sequence as a condition on the codes; they are letters and digits, and need no quoting. */
export function textFilters({ sequences }: Wanted): readonly string[] {
  return sequences.map((sequence) => {
    const codes = codesOf(sequence);
    return codes.length === 1 ? `words:${codes.join('')}` : `words:"${codes.join(' ')}"`;
  });
}

/**
 * What is asked as a query: the word that only begins so, last; and before it, to tell what fits best, some of the others.
 * All of them are conditions already. `*` where there is nothing to ask.
 */
export function queryCodes(wanted: Wanted, isRanked: boolean): string {
  const beginning = wanted.beginning === null ? [] : [encodedWord(wanted.beginning)];
  const others = isRanked ? wanted.sequences.flatMap(codesOf).filter((code) => code !== BOUNDARY) : [];
  const codes = [...new Set(others.slice(0, RANKED_MAX)), ...beginning];
  return codes.length === 0 ? '*' : codes.join(' ');
}
