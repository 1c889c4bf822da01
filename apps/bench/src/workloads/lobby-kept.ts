import type { Message } from '@millrace/protocol';

/** What a lobby keeps, held against what it was sent. */
export interface KeptCheck {
  readonly lost: number;
  readonly duplicated: number;
  readonly gaps: number;
}

/**
 * Looks at the latest entries of a lobby that has one writer.
 *
 * (K1) They are the last `backlog` entries up to its head, or all, without a hole.
 * (K2) Their messages have the numbers up to the last that was sent, without a hole.
 *
 * @param messages - as `history` has them backward: the latest one first.
 * @param sent - how many messages it was sent.
 */
export function checkKept(messages: readonly Message[], head: number, backlog: number, sent: number): KeptCheck {
  let [duplicated, gaps] = [0, 0];
  let [seq, n] = [head, sent];
  for (const message of messages) {
    if (message.seq > seq || (message.type === 'text' && message.n > n)) {
      duplicated += 1;
      continue;
    }
    gaps += seq - message.seq;
    seq = message.seq - 1;
    if (message.type !== 'text') continue;
    gaps += n - message.n;
    n = message.n - 1;
  }
  const lost = Math.max(0, seq - Math.max(0, head - backlog));
  return { lost, duplicated, gaps };
}
