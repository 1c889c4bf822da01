import type { Generation, UserId } from '@millrace/kernel';
import type { Position, TimelineEntry, TimelineHead } from '@millrace/timeline';

/** Users of whom something is read ahead at a time (I9). */
const USERS_MAX = 64;

type Records = readonly TimelineEntry[];

interface Begun {
  readonly after: Position;
  /** Of the inbox when it was read: in a newer one something else may stand there. */
  readonly gen: Generation;
  /** Null when they could not be read. */
  readonly records: Promise<Records | null>;
}

/**
 * Inbox records that a device will ask for next, as a rule: they are read while it takes the answer before. What is begun is
 * used once, for exactly the position that it was begun for, or not at all.
 */
export class ReadAhead {
  /** The one that was begun last is at the end. */
  readonly #begun = new Map<UserId, Begun>();

  begin(user: UserId, after: Position, { gen }: TimelineHead, read: () => Promise<Records>): void {
    this.#begun.delete(user);
    this.#begun.set(user, { after, gen, records: read().catch(() => null) });
    if (this.#begun.size <= USERS_MAX) return;
    for (const longest of this.#begun.keys()) {
      this.#begun.delete(longest);
      return;
    }
  }

  /** @returns null when they are to be read now. */
  async take(user: UserId, after: Position, { gen }: TimelineHead): Promise<Records | null> {
    const begun = this.#begun.get(user);
    this.#begun.delete(user);
    const isMeant = begun?.gen === gen && begun.after.gen === after.gen && begun.after.seq === after.seq;
    return isMeant ? begun.records : null;
  }
}
