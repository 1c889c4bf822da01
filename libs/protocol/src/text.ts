import { codeUnitAt } from '@millrace/kernel';

/** With the `u` flag a pair of surrogates is one code point, so this finds only those without their partner. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a text can be written as UTF-8 and read back the same. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text);

/** Bytes of a well-formed text in UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  const { length } = text;
  let bytes = length;
  for (let index = 0; index < length; index += 1) {
    const unit = codeUnitAt(text, index);
    // Three bytes each, but the two halves of a pair have four together.
    if (unit > 0x7ff) bytes += unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
    else if (unit > 0x7f) bytes += 1;
  }
  return bytes;
}

/** Whether the UTF-8 of a text is over a bound, mostly without looking at it. */
export function isLongerThan(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  return text.length > bytesMax || utf8Length(text) > bytesMax;
}

/** Code points of a text, as far as they matter: anything over `max` may answer any number over `max`. */
export function codePoints(text: string, max: number): number {
  if (text.length <= max || text.length > max * 2) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** A value as an error message shows it: short, on one line, and never the inside of an object. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    const text = JSON.stringify(value.slice(0, 40));
    return value.length > 40 ? `${text}… (${String(value.length)} characters)` : text;
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? `an array of ${String(value.length)}` : 'an object';
}
