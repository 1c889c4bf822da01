import type { ClientStorage } from '../api.ts';

/** Keeps what a client stored across its restarts, and can be stopped in the middle of a `set`. */
export class HeldStorage {
  readonly #kept = new Map<string, string>();
  #pending: { readonly entries: ReadonlyMap<string, string | null>; readonly resolve: () => void } | null = null;
  held = false;

  get size(): number {
    return this.#kept.size;
  }

  /** For one run of a client; what an earlier run has not stored yet never is. */
  open(): ClientStorage {
    this.#pending = null;
    return {
      load: async () => new Map(this.#kept),
      set: (entries) =>
        new Promise((resolve) => {
          this.#pending = { entries, resolve };
          if (!this.held) this.release();
        }),
    };
  }

  release(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return;
    for (const [key, value] of pending.entries) {
      if (value === null) this.#kept.delete(key);
      else this.#kept.set(key, value);
    }
    pending.resolve();
  }
}
