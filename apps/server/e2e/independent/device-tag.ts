/** The tag by which a device finds its own messages: a 32-bit hash of `<user>/<device>`. */
export function deviceTag(user: string, device: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(`${user}/${device}`, 'ascii')) h = Math.imul(h ^ byte, 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0 || 1;
}
