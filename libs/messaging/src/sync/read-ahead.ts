import type { Clock, Generation, UserId } from '@millrace/kernel';
import type { Position, TimelineEntry, TimelineHead } from '@millrace/timeline';
import type { AnswerReads } from './answer-reads.ts';

/** Users of whom something is read ahead at a time (I9). */
const USERS_MAX = 64;
/** Those of whom messages are, too: of each as much as an answer may hold. */
const MESSAGES_USERS_MAX = 8;
/** A device that goes on asks within milliseconds. What was read longer ago may be lost, or gone, meanwhile. */
const MESSAGES_MS_MAX = 1_000;

type Records = readonly TimelineEntry[];

interface Begun {
  readonly after: Position;
  /** Of the inbox when it was read: in a newer one something else may stand there. */
  readonly gen: Generation;
  readonly sinceMs: number;
  readonly fits: boolean;
  /** Null when they could not be read. */
  readonly records: Promise<Records | null>;
  messages: AnswerReads | null;
  isTaken: boolean;
}

/** What was read ahead for an answer. */
export interface Ahead {
  readonly records: Records;
  /** Null when nothing is known of them. */
  readonly messages: AnswerReads | null;
  /** Whether the answer before had room for as many messages as were wanted: then this one will have, as a rule. */
  readonly fits: boolean;
}

/**
 * Inbox records that a device will ask for next, as a rule, and the messages that they point at: they are read while it takes
 * the answer before. What is begun is used once, for exactly the position that it was begun for, or not at all.
 */
export class ReadAhead {
  readonly #clock: Clock;
  /** The one that was begun last is at the end. */
  readonly #begun = new Map<UserId, Begun>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param readMessages - begins to read what the records point at. */
  begin(
    user: UserId,
    after: Position,
    { gen }: TimelineHead,
    fits: boolean,
    read: () => Promise<Records>,
    readMessages: (records: Records) => AnswerReads,
  ): void {
    this.#begun.delete(user);
    const records = read().catch(() => null);
    const sinceMs = this.#clock.monotonicMs();
    const begun: Begun = { after, gen, sinceMs, fits, records, messages: null, isTaken: false };
    this.#begun.set(user, begun);
    // Before whoever takes them goes on. What cannot be made out of them now is told when it is asked for.
    void records
      .then((found) => {
        if (found !== null && this.#begun.get(user) === begun && this.#hasRoom()) begun.messages = readMessages(found);
      })
      .catch(() => undefined);
    if (this.#begun.size <= USERS_MAX) return;
    for (const longest of this.#begun.keys()) {
      this.#begun.delete(longest);
      return;
    }
  }

  /** @returns null when they are to be read now. */
  async take(user: UserId, after: Position, { gen }: TimelineHead): Promise<Ahead | null> {
    const begun = this.#begun.get(user);
    if (begun === undefined || begun.isTaken) return null;
    begun.isTaken = true;
    const isMeant = begun.gen === gen && begun.after.gen === after.gen && begun.after.seq === after.seq;
    const records = isMeant ? await begun.records : null;
    // Not before: records under way are still to begin their messages.
    if (this.#begun.get(user) === begun) this.#begun.delete(user);
    if (records === null) return null;
    return { records, messages: this.#isFresh(begun) ? begun.messages : null, fits: begun.fits };
  }

  #isFresh({ sinceMs }: Begun): boolean {
    return this.#clock.monotonicMs() - sinceMs <= MESSAGES_MS_MAX;
  }

  #hasRoom(): boolean {
    let count = 0;
    for (const begun of this.#begun.values()) {
      if (!this.#isFresh(begun)) begun.messages = null;
      if (begun.messages !== null) count += 1;
    }
    return count < MESSAGES_USERS_MAX;
  }
}
