import { invariant } from '@millrace/kernel';

/** Columns of a step: what they stand for is said where the step is written (`node-trace.ts`). */
const NAMES = 4;
const NUMBERS = 8;

/**
 * The newest steps of messages, in columns that are made once, so that to note one allocates nothing.
 *
 * (T1) It holds `capacity` steps at most (I9): a newer one takes the place of the oldest.
 * (T2) A step is named by its number, from 0, for ever; one whose place was taken is found no more.
 */
export class StepRing {
  readonly capacity: number;
  readonly #kinds: Uint8Array;
  readonly #names: string[];
  readonly #numbers: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    invariant(Number.isSafeInteger(capacity) && capacity > 0, 'a ring holds at least one step');
    this.capacity = capacity;
    this.#kinds = new Uint8Array(capacity);
    this.#names = new Array<string>(capacity * NAMES).fill('');
    this.#numbers = new Float64Array(capacity * NUMBERS);
  }

  /** Steps that were ever noted. */
  get count(): number {
    return this.#count;
  }

  /** The number of the oldest step that is still here. */
  get first(): number {
    return Math.max(0, this.#count - this.capacity);
  }

  /** @returns the step's number. What is not given is left as it was: whoever reads a kind knows its columns. */
  add(
    kind: number,
    n0: string,
    n1: string,
    n2: string,
    n3: string,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    f: number,
    g: number,
    h: number,
  ): number {
    const place = this.#count % this.capacity;
    this.#kinds[place] = kind;
    const name = place * NAMES;
    this.#names[name] = n0;
    this.#names[name + 1] = n1;
    this.#names[name + 2] = n2;
    this.#names[name + 3] = n3;
    const at = place * NUMBERS;
    this.#numbers[at] = a;
    this.#numbers[at + 1] = b;
    this.#numbers[at + 2] = c;
    this.#numbers[at + 3] = d;
    this.#numbers[at + 4] = e;
    this.#numbers[at + 5] = f;
    this.#numbers[at + 6] = g;
    this.#numbers[at + 7] = h;
    this.#count += 1;
    return this.#count - 1;
  }

  has(step: number): boolean {
    return step >= this.first && step < this.#count;
  }

  /** Fills in what is learned later; nothing when the step is not here any more. */
  set(step: number, column: number, value: number): void {
    if (this.has(step)) this.#numbers[(step % this.capacity) * NUMBERS + column] = value;
  }

  kind(step: number): number {
    return this.#kinds[step % this.capacity] ?? 0;
  }

  name(step: number, column: number): string {
    return this.#names[(step % this.capacity) * NAMES + column] ?? '';
  }

  number(step: number, column: number): number {
    return this.#numbers[(step % this.capacity) * NUMBERS + column] ?? 0;
  }
}
