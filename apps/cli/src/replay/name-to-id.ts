import { createHash } from 'node:crypto';

const ID_LENGTH_MAX = 64;
const HASH_DIGITS = 16;

/**
 * Any name as an id of the protocol: percent-encoded; one that is longer than an id may be keeps its beginning and
 * ends in `~` and a hash of the whole, so that two names never share an id.
 *
 * @returns null for an empty name and one that is not Unicode.
 */
export function nameToId(name: string, lengthMax = ID_LENGTH_MAX): string | null {
  if (name === '') return null;
  let encoded: string;
  try {
    encoded = encodeURIComponent(name);
  } catch {
    return null;
  }
  // encodeURIComponent leaves these as they are; ids do not have them.
  const id = encoded.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  if (id.length <= lengthMax) return id;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${id.slice(0, lengthMax - 1 - HASH_DIGITS)}~${hash}`;
}
