/** From the first to the last seq, both included. */
export type SeqRun = readonly [first: number, last: number];

/** What was wrong is told so often at most. */
const WRONG_MAX = 5;

/** The seqs of one conversation that one device was told, in the order in which it was told them. */
export class SeqRuns {
  /** What came twice, out of order, or in another generation than the first. */
  readonly wrong: string[] = [];
  readonly #runs: [number, number][] = [];

  add({ gen, seq }: { readonly gen: number; readonly seq: number }): void {
    const last = this.#runs.at(-1);
    if (gen !== 1) this.#tell(`${String(gen)}-${String(seq)} is of another generation`);
    else if (last === undefined || seq > last[1] + 1) this.#runs.push([seq, seq]);
    else if (seq === last[1] + 1) last[1] = seq;
    else this.#tell(`${String(seq)} came behind ${String(last[1])}`);
  }

  get last(): number {
    return this.#runs.at(-1)?.[1] ?? 0;
  }

  get count(): number {
    return this.#runs.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  get text(): string {
    return textOf(this.#runs);
  }

  #tell(what: string): void {
    if (this.wrong.length < WRONG_MAX) this.wrong.push(what);
  }
}

/** `1-9 12 15-20`. */
export const textOf = (runs: readonly SeqRun[]): string =>
  runs.map(([first, last]) => (first === last ? String(first) : `${String(first)}-${String(last)}`)).join(' ');
