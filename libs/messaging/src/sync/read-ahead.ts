import type { Clock, Generation } from '@millrace/kernel';
import type { TimelineHead } from '@millrace/timeline';
import type { Principal } from '../chat-service.ts';
import type { Prepared } from './answering.ts';
import type { Missed } from './missed.ts';
import type { SyncToken } from './sync-token.ts';

/** Devices for which something is read ahead at a time (I9). */
const DEVICES_MAX = 64;
/** Those of which messages are, too: of each as much as an answer may hold, and where as many conversations stand. */
const MESSAGES_DEVICES_MAX = 8;
/** Those of which a window is kept, which may be ten times as much as the records of an answer. */
const WINDOWS_MAX = 16;
/** A device that has not asked for so long is gone, as a rule. */
const WINDOW_MS_MAX = 60_000;
/** A device that goes on asks within milliseconds. What was read longer ago may be lost, or gone, meanwhile. */
const MESSAGES_MS_MAX = 1_000;

/** Where the device is in the inbox, and by which conversations it pulls: a window is of exactly that. */
type Place = Pick<SyncToken, 'position' | 'offset' | 'cursors' | 'turn' | 'window'>;

interface Begun {
  readonly place: Place;
  /** Of the inbox when it was read: in a newer one something else may stand there. */
  readonly gen: Generation;
  readonly sinceMs: number;
  readonly fits: boolean;
  /** Null when it could not be read. */
  readonly missed: Promise<Missed | null>;
  prepared: Prepared | null;
  hasWindow: boolean;
  isTaken: boolean;
}

/** What was read ahead for an answer. */
export interface Ahead {
  readonly missed: Missed;
  /** Null when nothing was begun beside it. */
  readonly prepared: Prepared | null;
  /** Whether the answer before had room for as many messages as were wanted: then this one will have, as a rule. */
  readonly fits: boolean;
}

const keyOf = ({ user, device }: Principal): string => `${user}\n${device}`;

/**
 * What a device will ask for next of its inbox, as a rule, and the messages that it points at: they are read while it takes
 * the answer before. What is begun is used once, for exactly the place that it was begun for, or not at all.
 */
export class ReadAhead {
  readonly #clock: Clock;
  /** The one that was begun last is at the end. */
  readonly #begun = new Map<string, Begun>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one more window may be kept. */
  hasWindowRoom(): boolean {
    const untilMs = this.#clock.monotonicMs() - WINDOW_MS_MAX;
    let count = 0;
    for (const [key, { hasWindow, sinceMs }] of this.#begun) {
      if (hasWindow && sinceMs < untilMs) this.#begun.delete(key);
      else if (hasWindow) count += 1;
    }
    return count < WINDOWS_MAX;
  }

  /** @param prepare - begins to read what the records point at, and what the answer takes beside. */
  begin(
    by: Principal,
    { position, offset, cursors, turn, window }: Place,
    { gen }: TimelineHead,
    fits: boolean,
    read: () => Promise<Missed>,
    prepare: (missed: Missed) => Prepared,
  ): void {
    const key = keyOf(by);
    this.#begun.delete(key);
    const missed = read().catch(() => null);
    const place = {
      ...{ position, offset, cursors },
      ...(turn === undefined ? {} : { turn }),
      ...(window === undefined ? {} : { window }),
    };
    const sinceMs = this.#clock.monotonicMs();
    const hasWindow = window !== undefined;
    const begun: Begun = { place, gen, sinceMs, fits, missed, prepared: null, hasWindow, isTaken: false };
    if (hasWindow && !this.hasWindowRoom()) return;
    this.#begun.set(key, begun);
    // Before whoever takes them goes on. What cannot be made out of them now is told when it is asked for.
    void missed
      .then((found) => {
        if (found === null || this.#begun.get(key) !== begun) return;
        // There was room when it was begun; others may have been faster.
        if ('window' in found && !hasWindow && !begun.isTaken && !this.hasWindowRoom()) {
          this.#begun.delete(key);
          return;
        }
        begun.hasWindow = 'window' in found;
        if (this.#hasRoom()) begun.prepared = prepare(found);
      })
      .catch(() => undefined);
    if (this.#begun.size <= DEVICES_MAX) return;
    // What is in a window is read again at ten times the cost.
    for (const [longest, other] of this.#begun) {
      if (other.hasWindow) continue;
      this.#begun.delete(longest);
      return;
    }
  }

  /** @returns null when it is to be read now. */
  async take(by: Principal, place: Place, { gen }: TimelineHead): Promise<Ahead | null> {
    const key = keyOf(by);
    const begun = this.#begun.get(key);
    if (begun === undefined || begun.isTaken) return null;
    begun.isTaken = true;
    const missed = begun.gen === gen && isSame(begun.place, place) ? await begun.missed : null;
    // Not before: records under way are still to begin their messages. A window is this device's until its end.
    if (this.#begun.get(key) === begun && !begun.hasWindow) this.#begun.delete(key);
    if (missed === null) return null;
    return {
      missed,
      prepared: this.#isFresh(begun) && isSamePull(begun.place, place) ? begun.prepared : null,
      fits: begun.fits,
    };
  }

  /** The device has everything. */
  end(by: Principal): void {
    this.#begun.delete(keyOf(by));
  }

  #isFresh({ sinceMs }: Begun): boolean {
    return this.#clock.monotonicMs() - sinceMs <= MESSAGES_MS_MAX;
  }

  #hasRoom(): boolean {
    let count = 0;
    for (const begun of this.#begun.values()) {
      if (!this.#isFresh(begun)) begun.prepared = null;
      if (begun.prepared !== null) count += 1;
    }
    return count < MESSAGES_DEVICES_MAX;
  }
}

const isSame = (one: Place, other: Place): boolean =>
  one.position.gen === other.position.gen &&
  one.position.seq === other.position.seq &&
  one.offset === other.offset &&
  one.window?.to.gen === other.window?.to.gen &&
  one.window?.to.seq === other.window?.to.seq &&
  one.window?.done === other.window?.done &&
  one.window?.given === other.window?.given &&
  one.cursors.size === other.cursors.size &&
  [...one.cursors.keys()].every((slot) => other.cursors.has(slot));

/** Whether it pulls the same next, too: what was prepared for another answer would take the room of this one. */
const isSamePull = (one: Place, other: Place): boolean =>
  one.turn === other.turn &&
  [...one.cursors].every(([slot, { gen, seq }]) => {
    const cursor = other.cursors.get(slot);
    return cursor?.gen === gen && cursor.seq === seq;
  });
