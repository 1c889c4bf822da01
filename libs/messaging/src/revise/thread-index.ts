import type { SequenceId } from '@millrace/kernel';
import { CHUNK } from './fold.ts';
import type { ThreadReplies } from './revision.ts';

/** Reads one chunk of replies, which is there. */
export type ReadChunk = (index: number) => Promise<readonly SequenceId[]>;

/** Where the replies of one thread stand, found without going through all of them. Chunks are read once. */
export class ThreadIndex {
  readonly #read: ReadChunk;
  readonly #tail: readonly SequenceId[];
  /** How many chunks are full. The tail stands behind them. */
  readonly #full: number;
  readonly #known = new Map<number, Promise<readonly SequenceId[]>>();

  constructor({ count, tail }: Pick<ThreadReplies, 'count' | 'tail'>, read: ReadChunk) {
    this.#read = read;
    this.#tail = tail;
    this.#full = (count - tail.length) / CHUNK;
  }

  /** The replies from there on, rising, up to `to`. */
  async *forward(from: SequenceId, to: SequenceId): AsyncGenerator<SequenceId> {
    for (let index = await this.#firstWith((seqs) => (seqs.at(-1) ?? 0) >= from); index <= this.#full; index += 1) {
      for (const seq of await this.#chunk(index)) {
        if (seq > to) return;
        if (seq >= from) yield seq;
      }
    }
  }

  /** The replies from there on, falling, down to `from`. */
  async *backward(from: SequenceId, to: SequenceId): AsyncGenerator<SequenceId> {
    const behind = await this.#firstWith((seqs) => (seqs[0] ?? Infinity) > to);
    for (let index = Math.min(behind, this.#full); index >= 0; index -= 1) {
      for (const seq of [...(await this.#chunk(index))].reverse()) {
        if (seq < from) return;
        if (seq <= to) yield seq;
      }
    }
  }

  /** The first full chunk of which that is so, as of all behind it; else the tail. */
  async #firstWith(isSo: (seqs: readonly SequenceId[]) => boolean): Promise<number> {
    let [low, high] = [0, this.#full];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (isSo(await this.#chunk(middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #chunk(index: number): Promise<readonly SequenceId[]> {
    if (index >= this.#full) return Promise.resolve(this.#tail);
    const known = this.#known.get(index) ?? this.#read(index);
    this.#known.set(index, known);
    return known;
  }
}
