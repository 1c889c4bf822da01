/** One thing that was started, and how it ends. */
interface Started {
  readonly what: string;
  readonly stop: () => Promise<void>;
}

/** What was started, ended in the opposite order, once, also when only a part of it came up. */
export class StartedStack {
  readonly #started: Started[] = [];
  #unwinding: Promise<void> | null = null;
  readonly #failed: (what: string, error: unknown) => void;

  constructor(failed: (what: string, error: unknown) => void) {
    this.#failed = failed;
  }

  get isUnwinding(): boolean {
    return this.#unwinding !== null;
  }

  push(what: string, stop: () => Promise<void>): void {
    this.#started.push({ what, stop });
  }

  /** Ends everything; one that fails does not keep the others from ending. */
  unwind(): Promise<void> {
    this.#unwinding ??= this.#stopAll();
    return this.#unwinding;
  }

  async #stopAll(): Promise<void> {
    for (let last = this.#started.pop(); last !== undefined; last = this.#started.pop()) {
      try {
        await last.stop();
      } catch (error) {
        this.#failed(last.what, error);
      }
    }
  }
}
