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
  headOf(room: Room): ConversationHead;
}

/** Between two frames to one session, at least. */
const HINT_MS = 500;
/** Sessions that are told in one turn of the event loop. */
const SESSIONS_PER_TURN = 500;

/** Gathers who is to be told where conversations stand: one frame for a session in half a second, a part of them at a time. */
export class Hints<S extends Hinted, Room> {
  readonly #parts: HintsParts<S, Room>;
  readonly #moved = new Set<Room>();
  readonly #lacking = new Map<S, Set<Room>>();
  #isDue = false;

  constructor(parts: HintsParts<S, Room>) {
    this.#parts = parts;
  }

  /** The conversation has gone on: those who are not told its entries learn that. */
  moved(room: Room): void {
    this.#moved.add(room);
    this.#schedule();
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

  over(room: Room): void {
    this.#moved.delete(room);
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
    const lacking = [...this.#lacking];
    this.#lacking.clear();
    this.#some(lacking, 0);
  }

  #some(lacking: readonly (readonly [S, ReadonlySet<Room>])[], from: number): void {
    const to = from + SESSIONS_PER_TURN;
    for (const [session, rooms] of lacking.slice(from, to)) {
      for (const room of rooms) session.hint(this.#parts.headOf(room));
      session.tellHeads();
    }
    if (to < lacking.length) {
      this.#parts.timers.soon(() => {
        this.#some(lacking, to);
      });
      return;
    }
    this.#isDue = false;
    if (this.#moved.size > 0 || this.#lacking.size > 0) this.#schedule();
  }
}
