import { ByteReader, ByteWriter, invariant, sequenceId, type SequenceId } from '@millrace/kernel';

/**
 * What a conversation remembers of one device's sends (I4): the last counter that was accepted, and the seqs that the
 * last `sendWindow` counters got. Its size does not grow with the messages.
 */
export interface SendCounter {
  readonly last: number;
  /** Oldest first; the last one belongs to `last`. */
  readonly seqs: readonly SequenceId[];
  /** The logical timestamp of the last one: a device's own never fall. */
  readonly sentAt: number;
}

export const noSends: SendCounter = { last: 0, seqs: [], sentAt: 0 };

/** What a counter `n` is to the conversation. */
export type CounterVerdict =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate'; readonly seq: SequenceId }
  | { readonly kind: 'expired' }
  | { readonly kind: 'out_of_order'; readonly expected: number };

export function judgeCounter(counter: SendCounter, n: number): CounterVerdict {
  if (n === counter.last + 1) return { kind: 'next' };
  if (n > counter.last) return { kind: 'out_of_order', expected: counter.last + 1 };
  const seq = counter.seqs[counter.seqs.length - 1 - (counter.last - n)];
  return seq === undefined ? { kind: 'expired' } : { kind: 'duplicate', seq };
}

export function counted(counter: SendCounter, seq: SequenceId, sentAt: number, sendWindow: number): SendCounter {
  const kept = counter.seqs.slice(Math.max(0, counter.seqs.length - (sendWindow - 1)));
  return { last: counter.last + 1, seqs: [...kept, seq], sentAt };
}

/** Layout: `varint last · varint sentAt · varint count · varint last seq · varint (difference to the one before)…`. */
export function encodeSendCounter({ last, seqs, sentAt }: SendCounter): Uint8Array {
  const writer = new ByteWriter(32 + seqs.length).varint(last).varint(sentAt).varint(seqs.length);
  let newer = 0;
  for (let index = seqs.length - 1; index >= 0; index -= 1) {
    const seq = seqs[index] ?? 0;
    writer.varint(index === seqs.length - 1 ? seq : newer - seq);
    newer = seq;
  }
  return writer.finish();
}

export function decodeSendCounter(bytes: Uint8Array): SendCounter {
  const reader = new ByteReader(bytes);
  const last = reader.varint();
  const sentAt = reader.varint();
  const seqs: SequenceId[] = [];
  let newer = 0;
  for (let count = reader.varint(); count > 0; count -= 1) {
    newer = seqs.length === 0 ? reader.varint() : newer - reader.varint();
    seqs.push(sequenceId(newer));
  }
  invariant(reader.remaining === 0, 'a send counter ends where it should');
  return { last, sentAt, seqs: seqs.reverse() };
}
