/**
 * State that knows what changed since the last commit, so that a refused batch leaves no trace (I2) and a commit
 * writes just what changed. `settle` makes the changes the new base, `restore` undoes them.
 */
export interface Tracked {
  readonly dirty: boolean;
  settle(): void;
  restore(): void;
}

/** One tracked value. Values are immutable: replace, never mutate. */
export class TrackedValue<T> implements Tracked {
  #value: T;
  #base: T;

  constructor(value: T) {
    this.#value = value;
    this.#base = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(next: T) {
    this.#value = next;
  }

  /** The value as of the last commit. */
  get base(): T {
    return this.#base;
  }

  get dirty(): boolean {
    return this.#value !== this.#base;
  }

  settle(): void {
    this.#base = this.#value;
  }

  restore(): void {
    this.#value = this.#base;
  }
}

const NO_CHANGES: readonly never[] = [];
/** What a map holds until something is put into it: most of an actor's stay empty. */
const NOTHING = new Map<never, never>();

/** A tracked map. Values are immutable: replace, never mutate. */
export class TrackedMap<K, V> implements Tracked {
  #current: Map<K, V>;
  /** What each key that was changed since the last commit held before, undefined for nothing; null while none was. */
  #before: Map<K, V | undefined> | null = null;

  constructor(entries: Iterable<readonly [K, V]> = []) {
    const current = new Map(entries);
    this.#current = current.size === 0 ? NOTHING : current;
  }

  get size(): number {
    return this.#current.size;
  }

  get dirty(): boolean {
    return this.#before !== null;
  }

  get(key: K): V | undefined {
    return this.#current.get(key);
  }

  has(key: K): boolean {
    return this.#current.has(key);
  }

  keys(): IterableIterator<K> {
    return this.#current.keys();
  }

  values(): IterableIterator<V> {
    return this.#current.values();
  }

  entries(): IterableIterator<[K, V]> {
    return this.#current.entries();
  }

  set(key: K, value: V): void {
    this.#note(key);
    this.#put(key, value);
  }

  #put(key: K, value: V): void {
    if (this.#current === NOTHING) this.#current = new Map();
    this.#current.set(key, value);
  }

  delete(key: K): void {
    if (!this.#current.has(key)) return;
    this.#note(key);
    this.#current.delete(key);
  }

  #note(key: K): void {
    this.#before ??= new Map();
    if (!this.#before.has(key)) this.#before.set(key, this.#current.get(key));
  }

  /** The keys that were touched since the last commit, with what they hold now; undefined for deleted ones. */
  changes(): readonly (readonly [K, V | undefined])[] {
    if (this.#before === null) return NO_CHANGES;
    const changes: (readonly [K, V | undefined])[] = [];
    for (const key of this.#before.keys()) changes.push([key, this.#current.get(key)]);
    return changes;
  }

  settle(): void {
    this.#before = null;
  }

  restore(): void {
    for (const [key, value] of this.#before ?? NO_CHANGES) {
      if (value === undefined) this.#current.delete(key);
      else this.#put(key, value);
    }
    this.#before = null;
  }
}
