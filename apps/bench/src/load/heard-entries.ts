/** What became of the entries that a device had to hear. */
export interface HeardCheck {
  /** Not heard, from the last one that was heard on. */
  readonly lost: number;
  /** Heard more than once, behind a later one, or out of what it may see. */
  readonly duplicated: number;
  /** Left out between two that were heard. */
  readonly gaps: number;
}

/**
 * The entries of one conversation as one device heard them.
 *
 * (H1) They must come as the seqs `from`, `from` + 1 … `to`, each once.
 */
export class HeardEntries {
  readonly #seqs: number[] = [];

  heard(seq: number): void {
    this.#seqs.push(seq);
  }

  get last(): number {
    return this.#seqs.at(-1) ?? 0;
  }

  check(from: number, to: number): HeardCheck {
    let next = from;
    let duplicated = 0;
    let gaps = 0;
    for (const seq of this.#seqs) {
      if (seq < next || seq > to) {
        duplicated += 1;
        continue;
      }
      gaps += seq - next;
      next = seq + 1;
    }
    return { lost: Math.max(0, to + 1 - next), duplicated, gaps };
  }
}
