import type { Timers } from '@millrace/kernel';
import type { ConversationHead } from '@millrace/protocol';

/** Who is told where conversations stand. */
export interface Hinted {
  /** Something of the conversation may be lacking up to there: to be told with the next `heads`. */
  hint(head: ConversationHead): void;
  /** Tells what was hinted at, unless the device does not keep up: then when it has taken what waits. */
  tellHeads(): void;
}

export interface HintsParts<S extends Hinted, Room> {
  readonly timers: Timers;
  /** Those in the room who are not told its entries. */
  lackingIn(room: Room): Iterable<S>;
  /** Those who are. */
  listeningIn(room: Room): Iterable<S>;
  headOf(room: Room): ConversationHead;
  /** The same, with what of it is for this session alone. */
  headFor(session: S, room: Room): ConversationHead;
}

/** Between two frames to one session, at least. */
const HINT_MS = 500;
/**
 * A conversation that did not go on for so long is told to those who are told its entries, too: of a gap behind the last one
 * nothing else would tell. While it goes on, the next entry does.
 */
const QUIET_MS = 15_000;
/** Sessions that are told in one turn of the event loop. */
const SESSIONS_PER_TURN = 500;

/** Gathers who is to be told where conversations stand: one frame for a session in half a second, a part of them at a time. */
export class Hints<S extends Hinted, Room> {
  readonly #parts: HintsParts<S, Room>;
  readonly #moved = new Set<Room>();
  readonly #lacking = new Map<S, Set<Room>>();
  /** Rooms that have gone on since all in them were told, and where they stood when it was last looked. */
  readonly #unsettled = new Map<Room, ConversationHead | null>();
  #isDue = false;
  #isLooking = false;

  constructor(parts: HintsParts<S, Room>) {
    this.#parts = parts;
  }

  /** The conversation has gone on: those who are not told its entries learn that. */
  moved(room: Room): void {
    this.#moved.add(room);
    this.#schedule();
    if (!this.#unsettled.has(room)) this.#unsettled.set(room, null);
    this.#lookLater();
  }

  /** The session may lack something, whether or not it is told entries. */
  add(session: S, room: Room): void {
    const rooms = this.#lacking.get(session);
    if (rooms === undefined) this.#lacking.set(session, new Set([room]));
    else rooms.add(room);
    this.#schedule();
  }

  forget(session: S): void {
    this.#lacking.delete(session);
  }

  /** The session is not in the room any more: where that goes on to is not for it to know. */
  left(session: S, room: Room): void {
    const rooms = this.#lacking.get(session);
    if (rooms?.delete(room) === true && rooms.size === 0) this.#lacking.delete(session);
  }

  over(room: Room): void {
    this.#moved.delete(room);
    this.#unsettled.delete(room);
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#parts.timers.after(QUIET_MS, () => {
      this.#isLooking = false;
      for (const [room, before] of [...this.#unsettled]) {
        const head = this.#parts.headOf(room);
        if (before === head) {
          this.#unsettled.delete(room);
          for (const session of this.#parts.listeningIn(room)) this.add(session, room);
        } else this.#unsettled.set(room, head);
      }
      if (this.#unsettled.size > 0) this.#lookLater();
    });
  }

  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#parts.timers.after(HINT_MS, () => {
      this.#tell();
    });
  }

  #tell(): void {
    for (const room of this.#moved) for (const session of this.#parts.lackingIn(room)) this.add(session, room);
    this.#moved.clear();
    this.#some([...this.#lacking.keys()], 0);
  }

  #some(sessions: readonly S[], from: number): void {
    const to = from + SESSIONS_PER_TURN;
    for (const session of sessions.slice(from, to)) {
      for (const room of this.#lacking.get(session) ?? []) session.hint(this.#parts.headFor(session, room));
      this.#lacking.delete(session);
      session.tellHeads();
    }
    if (to < sessions.length) {
      this.#parts.timers.soon(() => {
        this.#some(sessions, to);
      });
      return;
    }
    this.#isDue = false;
    if (this.#moved.size > 0 || this.#lacking.size > 0) this.#schedule();
  }
}
