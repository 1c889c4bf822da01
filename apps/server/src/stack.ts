/** One thing that was started, and how it ends. */
interface Started {
  readonly what: string;
  readonly stop: () => Promise<void>;
}

/** What was started, ended in the opposite order, once, also when only a part of it came up. */
export class StartedStack {
  readonly #started: Started[] = [];
  #unwinding: Promise<boolean> | null = null;
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

  /** One whose end takes no time. */
  pushAtOnce(what: string, stop: () => void): void {
    this.push(what, () => {
      stop();
      return Promise.resolve();
    });
  }

  /** Ends everything; one that fails does not keep the others from ending. @returns whether none failed. */
  unwind(): Promise<boolean> {
    this.#unwinding ??= this.#stopAll();
    return this.#unwinding;
  }

  async #stopAll(): Promise<boolean> {
    let isClean = true;
    for (let last = this.#started.pop(); last !== undefined; last = this.#started.pop()) {
      try {
        await last.stop();
      } catch (error) {
        isClean = false;
        this.#failed(last.what, error);
      }
    }
    return isClean;
  }
}
