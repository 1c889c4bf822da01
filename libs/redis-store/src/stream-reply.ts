import { invariant } from '@millrace/kernel';

export interface StreamEntry {
  /** The two halves of its id. */
  readonly first: number;
  readonly second: number;
  readonly data: Uint8Array;
}

/** Entries of our streams as XRANGE and XREVRANGE answer them: `[id, ['e', data]]`. */
export function streamEntries(reply: readonly [Buffer, Buffer[]][]): readonly StreamEntry[] {
  return reply.map(([id, fields]) => {
    const [first, second] = id.toString('latin1').split('-');
    const data = fields[1];
    invariant(data !== undefined, 'a stream of ours holds an entry without a value');
    return { first: Number(first), second: Number(second), data };
  });
}
