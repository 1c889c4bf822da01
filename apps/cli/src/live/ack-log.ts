import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';
import type { PositionBook } from './position-book.ts';
import { valueOf, type AckedMessage } from './stored-check.ts';

/**
 * What one sender was told, in one conversation. Acks may come in any order (an answer that was lost comes late, by the
 * repeated send), but what they say is in the order of sending:
 *
 * (A1) Within a generation, a message that was sent later has a higher counter and a higher seq.
 */
export class AckLog {
  /** In the order of sending. */
  readonly acked: AckedMessage[] = [];
  readonly #conversation: ConversationId;
  readonly #sender: string;
  readonly #book: PositionBook;
  readonly #findings: Findings;

  constructor(conversation: ConversationId, sender: string, book: PositionBook, findings: Findings) {
    this.#conversation = conversation;
    this.#sender = sender;
    this.#book = book;
    this.#findings = findings;
  }

  add(number: number, n: number, gen: number, seq: number): void {
    const { acked } = this;
    let at = acked.length;
    while (at > 0 && (acked[at - 1]?.number ?? 0) > number) at -= 1;
    const ack = { sender: this.#sender, number, n, gen, seq };
    this.#inOrder(acked[at - 1], ack);
    this.#inOrder(ack, acked[at]);
    acked.splice(at, 0, ack);
    this.#book.told(gen, seq, valueOf(this.#sender, number), 'its sender');
  }

  #inOrder(earlier: AckedMessage | undefined, later: AckedMessage | undefined): void {
    if (earlier === undefined || later === undefined || earlier.gen !== later.gen) return;
    const said = ({ number, n, seq }: AckedMessage): string => `${String(number)} (n ${String(n)}) at ${String(seq)}`;
    const text = `${this.#sender} was told of ${said(earlier)} and of ${said(later)} in generation ${String(later.gen)}`;
    if (earlier.n === later.n) this.#findings.add('duplicated', this.#conversation, text);
    else if (earlier.n > later.n || earlier.seq >= later.seq) {
      this.#findings.add('backwards', this.#conversation, text);
    }
  }
}
