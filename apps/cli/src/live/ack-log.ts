import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';
import type { PositionBook } from './position-book.ts';
import { valueOf, type AckedMessage } from './stored-check.ts';

/**
 * What one sender was told, in one conversation.
 *
 * (A1) Messages are acknowledged in the order in which they were sent: with a later one comes a higher `(gen, seq)`.
 * (A2) A counter is acknowledged once in a generation.
 */
export class AckLog {
  readonly acked: AckedMessage[] = [];
  readonly #conversation: ConversationId;
  readonly #sender: string;
  readonly #book: PositionBook;
  readonly #findings: Findings;
  #last = { number: 0, n: 0, gen: 0, seq: 0 };

  constructor(conversation: ConversationId, sender: string, book: PositionBook, findings: Findings) {
    this.#conversation = conversation;
    this.#sender = sender;
    this.#book = book;
    this.#findings = findings;
  }

  add(number: number, n: number, gen: number, seq: number): void {
    const last = this.#last;
    const value = valueOf(this.#sender, number);
    const where = `${String(gen)}-${String(seq)}`;
    if (gen < last.gen || (gen === last.gen && seq <= last.seq)) {
      const before = `${String(last.gen)}-${String(last.seq)}`;
      this.#findings.add('backwards', this.#conversation, `${value} was acked as ${where} after ${before}`);
    }
    if (gen === last.gen && n <= last.n) {
      this.#findings.add('duplicated', this.#conversation, `counter ${String(n)} of ${this.#sender} was acked twice`);
    }
    this.#last = { number, n, gen, seq };
    this.acked.push({ sender: this.#sender, number, n, gen, seq });
    this.#book.told(gen, seq, value, `its sender`);
  }
}
