/**
 * The last few of what was made, for whoever needs the same next: where many are told the same one after the other, it is
 * made once. Finds by comparing one by one, and keeps `size` keys and values alive.
 */
export class LastFew<Key, Value> {
  readonly #isSame: (one: Key, other: Key) => boolean;
  readonly #size: number;
  readonly #made: { readonly key: Key; readonly value: Value }[] = [];
  /** Of the oldest, once it is full. */
  #next = 0;

  constructor(isSame: (one: Key, other: Key) => boolean, size = 8) {
    this.#isSame = isSame;
    this.#size = size;
  }

  of(key: Key, make: (key: Key) => Value): Value {
    for (const one of this.#made) if (this.#isSame(one.key, key)) return one.value;
    const value = make(key);
    this.#made[this.#next] = { key, value };
    this.#next = (this.#next + 1) % this.#size;
    return value;
  }
}
