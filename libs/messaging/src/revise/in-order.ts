/**
 * Keeps what one device asks of one conversation in order, where something has to be looked up before a part of it can go
 * on: what comes behind that waits until it has gone. Costs nothing while nothing is looked up.
 */
export class InOrder {
  readonly #last = new Map<string, Promise<void>>();

  /** Goes on at once, or behind what waits under that key. */
  run(key: string, go: () => void): void {
    const before = this.#last.get(key);
    if (before === undefined) go();
    else this.#chain(key, before.then(go));
  }

  /** @param look - resolves once it has gone; never rejects. */
  look(key: string, look: () => Promise<void>): void {
    const before = this.#last.get(key);
    this.#chain(key, before === undefined ? look() : before.then(look));
  }

  /** How many keys something waits under. */
  get size(): number {
    return this.#last.size;
  }

  #chain(key: string, done: Promise<void>): void {
    this.#last.set(key, done);
    void done.then(() => {
      if (this.#last.get(key) === done) this.#last.delete(key);
    });
  }
}
