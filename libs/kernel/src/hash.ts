import { codeUnitAt } from './code-units.ts';

const BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** Murmur3's final avalanche. */
function avalanche(hash: number): number {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * 32-bit FNV-1a over UTF-16 code units with a final avalanche (murmur3's), 0..2^32-1. Stable for ever: where
 * an actor lives follows from it. Not for secrets.
 */
export function hash32(text: string): number {
  const { length } = text;
  let hash = BASIS;
  for (let index = 0; index < length; index += 1) hash = Math.imul(hash ^ codeUnitAt(text, index), PRIME);
  return avalanche(hash);
}

/** The {@link hash32} of `prefix` with the part of `text` from `start` to `end` behind it, without making that text. */
export function hash32Of(prefix: string, text: string, start: number, end: number): number {
  let hash = BASIS;
  for (let index = 0; index < prefix.length; index += 1) hash = Math.imul(hash ^ codeUnitAt(prefix, index), PRIME);
  for (let index = start; index < end; index += 1) hash = Math.imul(hash ^ codeUnitAt(text, index), PRIME);
  return avalanche(hash);
}
