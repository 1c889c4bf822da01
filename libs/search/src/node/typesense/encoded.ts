import { createHash } from 'node:crypto';

/**
 * What stands for an id or another text that is compared whole: 32 hexadecimal digits of its SHA-256. Typesense takes case
 * and signs out of what it compares, and cuts off what is long; two ids that differ in nothing else must stay two.
 */
export const keyOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** The first 48 bits of a key as a number: to sort by, where nothing else decides. */
export const laneOf = (key: string): number => Number.parseInt(key.slice(0, 12), 16);

const PLAIN = /^[a-x0-9]$/;
const DIGITS = 3;
const SPAN = 36 ** DIGITS;

function encodedUnit(unit: string): string {
  if (PLAIN.test(unit)) return unit;
  const code = unit.charCodeAt(0);
  const escape = code < SPAN ? 'z' : 'y';
  return escape + (code % SPAN).toString(36).padStart(DIGITS, '0');
}

/**
 * A word in the letters a to z and digits alone, which no tokeniser changes: other characters become four. What begins
 * with another word begins with its code, too. A word of 24 units has at most 96 characters; Typesense cuts at 100.
 */
export function encodedWord(word: string): string {
  let encoded = '';
  for (let at = 0; at < word.length; at += 1) encoded += encodedUnit(word.charAt(at));
  return encoded;
}
