import { codeUnitAt } from './code-units.ts';

/**
 * 32-bit FNV-1a over UTF-16 code units with a final avalanche (murmur3's), 0..2^32-1. Stable for ever: where
 * an actor lives follows from it. Not for secrets.
 */
export function hash32(text: string): number {
  const { length } = text;
  let hash = 0x811c9dc5;
  for (let index = 0; index < length; index += 1) {
    hash = Math.imul(hash ^ codeUnitAt(text, index), 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
