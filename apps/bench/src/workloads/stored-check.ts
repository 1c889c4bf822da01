import type { Message } from '@millrace/protocol';

/** What one conversation holds, read from its beginning to its head. */
export interface StoredCount {
  readonly stored: number;
  readonly duplicated: number;
  readonly gaps: number;
  /** Where the server says that it ends. */
  readonly head: number;
  /** Countable messages as the last entry tells. */
  readonly msgNo: number;
}

/**
 * Counts the messages of a conversation.
 *
 * (C1) Entries must have the seqs 1, 2, 3 …
 * (C2) The numbers of each author's device must be 1, 2, 3 …, each once.
 */
export class StoredCheck {
  #nextSeq = 1;
  #stored = 0;
  #duplicated = 0;
  #gaps = 0;
  #msgNo = 0;
  readonly #devices = new Map<string, Set<number>>();

  get nextSeq(): number {
    return this.#nextSeq;
  }

  shown(message: Message): void {
    if (message.seq < this.#nextSeq) {
      this.#duplicated += 1;
      return;
    }
    this.#gaps += message.seq - this.#nextSeq;
    this.#nextSeq = message.seq + 1;
    this.#msgNo = message.msgNo;
    if (!message.countable) return;
    const device = `${message.from ?? ''}/${String(message.deviceTag)}`;
    const numbers = this.#devices.get(device) ?? new Set();
    this.#devices.set(device, numbers);
    if (numbers.has(message.n)) this.#duplicated += 1;
    else this.#stored += 1;
    numbers.add(message.n);
  }

  /** @param head - where the server says that the conversation ends. */
  ended(head: number): StoredCount {
    const missing = Math.max(0, head + 1 - this.#nextSeq);
    let left = 0;
    for (const numbers of this.#devices.values()) {
      let highest = 0;
      for (const n of numbers) highest = Math.max(highest, n);
      left += highest - numbers.size;
    }
    return {
      stored: this.#stored,
      duplicated: this.#duplicated,
      gaps: this.#gaps + missing + left,
      head,
      msgNo: this.#msgNo,
    };
  }
}
