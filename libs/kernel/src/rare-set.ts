/** A set that holds nothing most of its time: it takes next to no memory then. */
export class RareSet<T> {
  #items: Set<T> | null = null;

  get size(): number {
    return this.#items?.size ?? 0;
  }

  has(item: T): boolean {
    return this.#items?.has(item) === true;
  }

  add(item: T): void {
    (this.#items ??= new Set()).add(item);
  }

  /** @returns whether it was there. */
  delete(item: T): boolean {
    const items = this.#items;
    if (items?.delete(item) !== true) return false;
    if (items.size === 0) this.#items = null;
    return true;
  }

  clear(): void {
    this.#items = null;
  }

  *[Symbol.iterator](): Iterator<T> {
    if (this.#items !== null) yield* this.#items;
  }
}
