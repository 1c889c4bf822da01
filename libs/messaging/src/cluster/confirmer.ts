import type { Timers, UserId } from '@millrace/kernel';

export interface ConfirmerParts {
  readonly timers: Timers;
  /** Has a user's conversations asked about what may have been lost; whether that came to an end. */
  confirm(this: void, user: UserId): Promise<boolean>;
  /** Whether the user lives on this node and has a socket, here or elsewhere. */
  isConcerned(this: void, user: UserId): boolean;
}

/** So many users at most begin to be asked about in one round. */
const ROUND = 16;
const ROUND_MS = 50;

/**
 * Lets users with open sessions learn of what was lost without asking: their conversations are asked, and where the
 * inbox breaks their devices are told to sync. Spread over time, since a loss concerns many at once: some 300 in a second
 * on each node.
 */
export class Confirmer {
  readonly #parts: ConfirmerParts;
  readonly #due = new Set<UserId>();
  #isRunning = false;

  constructor(parts: ConfirmerParts) {
    this.#parts = parts;
  }

  /** Users that wait to be asked about. */
  get size(): number {
    return this.#due.size;
  }

  add(users: Iterable<UserId>): void {
    for (const user of users) this.#due.add(user);
    if (this.#isRunning || this.#due.size === 0) return;
    this.#isRunning = true;
    void this.#run();
  }

  stop(): void {
    this.#due.clear();
  }

  async #run(): Promise<void> {
    while (this.#due.size > 0) {
      const round = [...this.#due].slice(0, ROUND);
      for (const user of round) this.#due.delete(user);
      const again = await Promise.all(round.map((user) => this.#confirm(user)));
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(ROUND_MS, resolve);
      });
      for (const user of again) if (user !== null) this.#due.add(user);
    }
    this.#isRunning = false;
  }

  /** @returns the user when they have to be asked about again. */
  async #confirm(user: UserId): Promise<UserId | null> {
    if (!this.#parts.isConcerned(user)) return null;
    return (await this.#parts.confirm(user)) ? null : user;
  }
}
