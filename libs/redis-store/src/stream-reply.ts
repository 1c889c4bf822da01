import { invariant } from '@millrace/kernel';

const ZERO = 48;
const DASH = 45;

/**
 * Entries of our streams as XRANGE and XREVRANGE answer them: `[id, ['e', data]]`, each made what the caller wants of the
 * two halves of its id and its data. A device that was away costs one call of this for each message: the id is read
 * digit by digit, without a text of it.
 */
export function streamEntries<Entry>(
  reply: readonly [Buffer, Buffer[]][],
  entryOf: (first: number, second: number, data: Uint8Array) => Entry,
): Entry[] {
  return reply.map(([id, fields]) => {
    let [first, half] = [0, 0];
    for (const byte of id) {
      if (byte === DASH) [first, half] = [half, 0];
      else half = half * 10 + (byte - ZERO);
    }
    const data = fields[1];
    invariant(data !== undefined, 'a stream of ours holds an entry without a value');
    return entryOf(first, half, data);
  });
}
