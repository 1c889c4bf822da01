import type { SequenceId } from '@millrace/kernel';

/**
 * The last seqs of a list that grows at its end, oldest first. It never changes: what follows on it is another one, which
 * shares the memory, so that keeping the last 64 costs a copy of them once in 64 times and not each time.
 *
 * (Q1) What is between `#from` and `#to` is written once. Only who ends where the memory ends writes behind it.
 */
export class RecentSeqs {
  static readonly none = new RecentSeqs([], 0, 0);

  readonly #shared: SequenceId[];
  readonly #from: number;
  readonly #to: number;

  private constructor(shared: SequenceId[], from: number, to: number) {
    this.#shared = shared;
    this.#from = from;
    this.#to = to;
  }

  static of(seqs: readonly SequenceId[]): RecentSeqs {
    return new RecentSeqs([...seqs], 0, seqs.length);
  }

  get length(): number {
    return this.#to - this.#from;
  }

  /** From 0, the oldest; undefined outside. */
  at(index: number): SequenceId | undefined {
    return index < 0 || index >= this.length ? undefined : this.#shared[this.#from + index];
  }

  get last(): SequenceId | undefined {
    return this.at(this.length - 1);
  }

  *[Symbol.iterator](): IterableIterator<SequenceId> {
    for (let index = this.#from; index < this.#to; index += 1) yield this.#shared[index] as SequenceId;
  }

  some(isMeant: (seq: SequenceId) => boolean): boolean {
    return [...this].some(isMeant);
  }

  /** This one behind them, `most` in all. */
  followedBy(seq: SequenceId, most: number): RecentSeqs {
    const from = Math.max(this.#from, this.#to + 1 - most);
    const isAtEnd = this.#to === this.#shared.length && this.#to < most * 2;
    const shared = isAtEnd ? this.#shared : this.#shared.slice(from, this.#to);
    shared.push(seq);
    return isAtEnd ? new RecentSeqs(shared, from, shared.length) : new RecentSeqs(shared, 0, shared.length);
  }
}
