/** Whoever waits for the same thing, to be let go all at once; who waits later waits for the next time. */
export class Waiters {
  readonly #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
