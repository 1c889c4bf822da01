import { ByteReader, invariant, packed, sequenceId, type ByteWriter, type SequenceId } from '@millrace/kernel';
import { RecentSeqs } from './recent-seqs.ts';

/** The numbers above `after` and below `n` are skipped: the device sent `n` to follow `after`. */
export interface SkippedNumbers {
  readonly after: number;
  readonly n: number;
}

/**
 * What a conversation remembers of one device's sends (I4): the last counter that was accepted, and the seqs that the
 * last `sendWindow` accepted ones got. Its size does not grow with the messages, nor with the numbers that are skipped.
 */
export interface SendCounter {
  readonly last: number;
  /** Oldest first; the last one belongs to `last`. */
  readonly seqs: RecentSeqs;
  /** Oldest first: what was skipped right before any of the remembered ones. */
  readonly gaps: readonly SkippedNumbers[];
  /** How many numbers were ever skipped: `last − skipped` messages were accepted. */
  readonly skipped: number;
  /** The logical timestamp of the last one: a device's own never fall. */
  readonly sentAt: number;
}

export const noSends: SendCounter = { last: 0, seqs: RecentSeqs.none, gaps: [], skipped: 0, sentAt: 0 };

/** What a counter `n` is to the conversation. */
export type CounterVerdict =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate'; readonly seq: SequenceId }
  | { readonly kind: 'expired' }
  | ({ readonly kind: 'skipped' } & SkippedNumbers)
  | { readonly kind: 'out_of_order'; readonly expected: number };

const next: CounterVerdict = { kind: 'next' };

/**
 * A number belongs to one message, for ever: it is accepted when it is above all that were, and the message follows the
 * last one, so that none is lost between them.
 *
 * @param after - the number of the message that it follows.
 */
export function judgeCounter(counter: SendCounter, n: number, after: number): CounterVerdict {
  const { last, seqs, gaps } = counter;
  if (n > last) return after === last ? next : { kind: 'out_of_order', expected: last + 1 };
  let newer = last - n;
  for (let index = gaps.length - 1; index >= 0; index -= 1) {
    const gap = gaps[index];
    if (gap === undefined || n >= gap.n) break;
    if (n > gap.after) return { kind: 'skipped', ...gap };
    newer -= sizeOf(gap);
  }
  const seq = seqs.at(seqs.length - 1 - newer);
  return seq === undefined ? { kind: 'expired' } : { kind: 'duplicate', seq };
}

/** The counter after `n`, which follows `last`, was accepted. */
export function counted(
  counter: SendCounter,
  n: number,
  seq: SequenceId,
  sentAt: number,
  sendWindow: number,
): SendCounter {
  const { last, skipped } = counter;
  const seqs = counter.seqs.followedBy(seq, sendWindow);
  if (n === last + 1) return { last: n, seqs, gaps: remembered(counter.gaps, n, seqs.length), skipped, sentAt };
  const gap = { after: last, n };
  const gaps = remembered([...counter.gaps, gap], n, seqs.length);
  return { last: n, seqs, gaps, skipped: skipped + sizeOf(gap), sentAt };
}

const sizeOf = ({ after, n }: SkippedNumbers): number => n - after - 1;

/** The gaps right before any of the `count` accepted numbers up to `last`. */
function remembered(gaps: readonly SkippedNumbers[], last: number, count: number): readonly SkippedNumbers[] {
  let oldest = last - count + 1;
  let from = gaps.length;
  // Mostly nothing was skipped, and to look before the beginning of a list is slow.
  if (from === 0) return gaps;
  for (let gap = gaps[from - 1]; gap !== undefined && gap.n >= oldest; gap = gaps[from - 1]) {
    // Right before the oldest one: no number that is remembered lies below it.
    if (gap.n > oldest) oldest -= sizeOf(gap);
    from -= 1;
  }
  return from === 0 ? gaps : gaps.slice(from);
}

/**
 * Layout: `varint last · varint sentAt · varint count · varint last seq · varint (difference to the one before)…`, then,
 * only when numbers were ever skipped, `varint skipped` and for each gap, newest first: `varint (from its n to the after
 * of the one before, or to last) · varint size`.
 */
export const encodeSendCounter = (counter: SendCounter): Uint8Array =>
  packed((writer) => {
    writeSendCounter(writer, counter);
  });

function writeSendCounter(writer: ByteWriter, { last, seqs, gaps, skipped, sentAt }: SendCounter): void {
  writer.varint(last).varint(sentAt).varint(seqs.length);
  let newer = 0;
  for (let index = seqs.length - 1; index >= 0; index -= 1) {
    const seq = seqs.at(index) ?? 0;
    writer.varint(index === seqs.length - 1 ? seq : newer - seq);
    newer = seq;
  }
  if (skipped === 0) return;
  writer.varint(skipped);
  let above = last;
  for (const gap of gaps.toReversed()) {
    writer.varint(above - gap.n).varint(sizeOf(gap));
    above = gap.after;
  }
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
  const skipped = reader.remaining > 0 ? reader.varint() : 0;
  const gaps: SkippedNumbers[] = [];
  let above = last;
  while (reader.remaining > 0) {
    const n = above - reader.varint();
    above = n - reader.varint() - 1;
    gaps.push({ after: above, n });
  }
  invariant(above >= 0, 'no number below 1 is skipped');
  return { last, sentAt, seqs: RecentSeqs.of(seqs.reverse()), gaps: gaps.reverse(), skipped };
}
