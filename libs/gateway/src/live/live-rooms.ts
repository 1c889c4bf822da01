import {
  MalformedBytes,
  sequenceId,
  type ConversationId,
  type SequenceId,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import {
  mentionsOfAllFor,
  type EntryRun,
  type LiveEntries,
  type LiveHead,
  type LivePort,
  type MessageTrace,
} from '@millrace/messaging';
import { encodeServerFrames, type ConversationHead, type Encoded, type Encoding } from '@millrace/protocol';
import type { Session } from '../outbound/session.ts';
import { Hints } from './hints.ts';
import { Publisher, SOCKETS_PER_TURN, type Topic } from './publisher.ts';

/** As much of a session as a room needs. */
export type RoomSession = Pick<
  Session,
  | 'user'
  | 'encoding'
  | 'shown'
  | 'isOpen'
  | 'isBehind'
  | 'answer'
  | 'listen'
  | 'unlisten'
  | 'passedOver'
  | 'hint'
  | 'tellHeads'
>;

export interface LiveRoomsParts<S extends RoomSession> {
  readonly timers: Timers;
  /** The user's sessions here. */
  sessionsOf(user: UserId): Iterable<S>;
  publish(topic: string, message: Encoded, isBinary: boolean): void;
  /** Writes now what was published. */
  flush(): void;
  readonly trace: Pick<MessageTrace, 'shown' | 'flushed'>;
  /** A stored entry cannot be read. */
  onDamaged(conversation: ConversationId, error: MalformedBytes): void;
}

interface Stand<S> extends Topic {
  readonly room: Room<S>;
  readonly sessions: Set<S>;
  /** What waits to be published there. */
  readonly waiting: EntryRun[];
}

interface Room<S> {
  readonly conversation: ConversationId;
  /** Members with sockets here, and up to where what came is not for them. */
  readonly users: Map<UserId, SequenceId>;
  /** One for each encoding, and so many sockets. */
  stands: readonly Stand<S>[];
  /** As all may be told of it. */
  head: ConversationHead;
  mentionsOfAll: LiveHead['mentionsOfAll'];
}

/**
 * The conversations in read mode that members with sockets here are in, and which of those sockets are told their entries.
 *
 * (R1) A device that shows a conversation gets its entries, encoded once for all; any other is told now and then where the
 *      conversation stands.
 * (R2) Nobody is published anything from before they came in or behind their leave (I7): what waits to be published goes
 *      out before somebody begins or ends to listen.
 * (R3) A device that was passed over, since it does not keep up, is published nothing more until it has taken what
 *      waits, and is told then where the conversations stand: never silence (I9).
 * (R4) Nothing is kept of a conversation when the last member's last socket has gone (I9).
 */
export class LiveRooms<S extends RoomSession = Session> implements LivePort {
  readonly #parts: LiveRoomsParts<S>;
  readonly #rooms = new Map<ConversationId, Room<S>>();
  readonly #byUser = new Map<UserId, Set<Room<S>>>();
  /** Where sessions listen. */
  readonly #seats = new Map<S, Map<Room<S>, Stand<S>>>();
  readonly #paused = new Set<S>();
  /** Passed over in this turn: an engine must not be asked to change its topics while it publishes. */
  readonly #passedOver = new Set<S>();
  readonly #publisher: Publisher<Stand<S>>;
  readonly #hints: Hints<S, Room<S>>;
  #named = 0;

  constructor(parts: LiveRoomsParts<S>) {
    this.#parts = parts;
    this.#publisher = new Publisher<Stand<S>>({
      timers: parts.timers,
      publish: ({ name, encoding, room, sessions, waiting }, message) => {
        for (const run of waiting.splice(0)) parts.trace.shown(room.conversation, name, run, sessions.size);
        parts.publish(name, message, encoding === 'binary');
      },
      flush: () => {
        parts.flush();
        parts.trace.flushed();
      },
      shed: ({ room, sessions, waiting }) => {
        waiting.length = 0;
        for (const session of sessions) this.#hint(session, room);
      },
    });
    this.#hints = new Hints({
      timers: parts.timers,
      lackingIn: (room) => this.#notListening(room),
      listeningIn: (room) => room.stands.flatMap(({ sessions }) => [...sessions]),
      headOf: (room) => room.head,
      headFor: (session, room) => headFor(session, room),
    });
  }

  /** Conversations. */
  get size(): number {
    return this.#rooms.size;
  }

  // ------------------------------------------------------------------------------------- what the node tells

  entered(conversation: ConversationId, users: readonly UserId[], head: LiveHead, since = sequenceId(0)): void {
    const room = this.#rooms.get(conversation) ?? this.#newRoom(conversation, head);
    for (const user of users) {
      room.users.set(user, since);
      const theirs = this.#byUser.get(user);
      if (theirs === undefined) this.#byUser.set(user, new Set([room]));
      else theirs.add(room);
      for (const session of this.#parts.sessionsOf(user)) {
        if (session.shown.has(conversation)) this.#seat(session, room);
        this.#hint(session, room);
      }
    }
  }

  left(conversation: ConversationId, users: readonly UserId[]): void {
    const room = this.#rooms.get(conversation);
    for (const user of users) {
      for (const session of this.#parts.sessionsOf(user)) {
        session.shown.close(conversation);
        if (room === undefined) continue;
        this.#unseat(session, room);
        this.#hints.left(session, room);
      }
      if (room !== undefined) this.#forgetUser(room, user);
    }
  }

  live(conversation: ConversationId, { gen, prev, entries }: LiveEntries): void {
    const room = this.#rooms.get(conversation);
    const seq = entries.at(-1)?.seq;
    if (room === undefined || seq === undefined || room.stands.length === 0) return;
    const encoded = new Map<Encoding, Encoded>();
    for (const stand of room.stands) {
      const { encoding } = stand;
      try {
        const frame = { t: 'live', conversation, gen, prev, seq, messages: entries } as const;
        const message = encoded.get(encoding) ?? encodeServerFrames<Encoding>([frame], encoding);
        encoded.set(encoding, message);
        waits(stand.waiting, { gen, from: sequenceId(prev + 1), to: seq });
        this.#publisher.add(stand, message);
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error;
        this.#parts.onDamaged(conversation, error);
        for (const session of stand.sessions) this.#hint(session, room);
      }
    }
  }

  at(conversation: ConversationId, head: LiveHead): void {
    const room = this.#rooms.get(conversation);
    if (room === undefined || (room.head.seq === head.seq && room.head.gen === head.gen)) return;
    move(room, head);
    this.#hints.moved(room);
  }

  stands(conversation: ConversationId, head: LiveHead): void {
    const room = this.#rooms.get(conversation);
    if (room === undefined) return;
    move(room, head);
    for (const user of room.users.keys()) for (const session of this.#parts.sessionsOf(user)) this.#hint(session, room);
  }

  over(conversation: ConversationId): void {
    const room = this.#rooms.get(conversation);
    if (room === undefined) return;
    for (const user of [...room.users.keys()]) {
      for (const session of this.#parts.sessionsOf(user)) {
        this.#unseat(session, room);
        this.#hints.left(session, room);
      }
      this.#forgetUser(room, user);
    }
  }

  gone(conversation: ConversationId, users: readonly UserId[]): void {
    for (const user of users) {
      for (const session of this.#parts.sessionsOf(user)) {
        if (session.shown.has(conversation)) session.answer({ t: 'ended', conversation });
      }
    }
    this.left(conversation, users);
  }

  // ----------------------------------------------------------------------------------------- what sessions do

  /** The session is there, and is told where the conversations of its user stand. */
  added(session: S): void {
    for (const room of this.#byUser.get(session.user) ?? []) this.#hint(session, room);
  }

  removed(session: S): void {
    for (const room of [...(this.#seats.get(session)?.keys() ?? [])]) this.#unseat(session, room);
    this.#paused.delete(session);
    this.#passedOver.delete(session);
    this.#hints.forget(session);
  }

  /** The device shows the conversation from here on: it learns at once whether it is behind. */
  shown(session: S, conversation: ConversationId): void {
    const room = this.#rooms.get(conversation);
    if (room?.users.has(session.user) !== true || !session.shown.has(conversation)) return;
    this.#seat(session, room);
    session.hint(headFor(session, room));
    session.tellHeads();
  }

  hidden(session: S, conversation: ConversationId): void {
    const room = this.#rooms.get(conversation);
    if (room !== undefined) this.#unseat(session, room);
  }

  /** A message that was published did not go to this session: too much waits for it. */
  passedOver(session: S): void {
    if (this.#passedOver.size === 0) {
      this.#parts.timers.soon(() => {
        const sessions = [...this.#passedOver];
        this.#passedOver.clear();
        for (const each of sessions) if (each.isOpen) this.#pause(each);
      });
    }
    session.passedOver();
    this.#passedOver.add(session);
  }

  /** Looked at when it has taken what waited, and from time to time. */
  look(session: S): void {
    if (session.isBehind) {
      if (this.#seats.has(session)) this.#pause(session);
      return;
    }
    if (this.#paused.delete(session)) {
      for (const conversation of session.shown.all()) {
        const room = this.#rooms.get(conversation);
        if (room?.users.has(session.user) !== true) continue;
        this.#seat(session, room);
        session.hint(headFor(session, room));
      }
    }
    session.tellHeads();
  }

  // ---------------------------------------------------------------------------------------------------- seats

  #pause(session: S): void {
    this.#paused.add(session);
    for (const room of [...(this.#seats.get(session)?.keys() ?? [])]) {
      this.#unseat(session, room);
      this.#hint(session, room);
    }
  }

  #newRoom(conversation: ConversationId, head: LiveHead): Room<S> {
    const { mentionsOfAll } = head;
    const told = headOf(conversation, head);
    const room: Room<S> = { conversation, users: new Map(), stands: [], head: told, mentionsOfAll };
    this.#rooms.set(conversation, room);
    return room;
  }

  #forgetUser(room: Room<S>, user: UserId): void {
    room.users.delete(user);
    const theirs = this.#byUser.get(user);
    if (theirs?.delete(room) === true && theirs.size === 0) this.#byUser.delete(user);
    if (room.users.size > 0) return;
    this.#rooms.delete(room.conversation);
    this.#hints.over(room);
  }

  #seat(session: S, room: Room<S>): void {
    const seats = this.#seats.get(session) ?? new Map<Room<S>, Stand<S>>();
    if (seats.has(room) || this.#paused.has(session) || !session.isOpen) return;
    const stand = this.#standFor(session, room);
    this.#publisher.finish(stand);
    session.listen(stand.name);
    stand.sessions.add(session);
    seats.set(room, stand);
    this.#seats.set(session, seats);
  }

  #standFor({ encoding }: S, room: Room<S>): Stand<S> {
    for (const stand of room.stands) {
      if (stand.encoding === encoding && stand.size < SOCKETS_PER_TURN) return stand;
    }
    this.#named += 1;
    const sessions = new Set<S>();
    const stand: Stand<S> = {
      name: `live-${String(this.#named)}`,
      encoding,
      room,
      sessions,
      waiting: [],
      get size() {
        return sessions.size;
      },
    };
    room.stands = [...room.stands, stand];
    return stand;
  }

  #unseat(session: S, room: Room<S>): void {
    const seats = this.#seats.get(session);
    const stand = seats?.get(room);
    if (seats === undefined || stand === undefined) return;
    this.#publisher.finish(stand);
    session.unlisten(stand.name);
    seats.delete(room);
    if (seats.size === 0) this.#seats.delete(session);
    stand.sessions.delete(session);
    if (stand.size === 0) room.stands = room.stands.filter((each) => each !== stand);
  }

  #hint(session: S, room: Room<S>): void {
    this.#hints.add(session, room);
  }

  /** Those in the room who are not published its entries. */
  *#notListening(room: Room<S>): Iterable<S> {
    for (const user of room.users.keys()) {
      for (const session of this.#parts.sessionsOf(user)) {
        if (this.#seats.get(session)?.has(room) !== true) yield session;
      }
    }
  }
}

/** One more that waits: with the one before, when it goes on from there. */
function waits(waiting: EntryRun[], run: EntryRun): void {
  const last = waiting.at(-1);
  if (last?.gen === run.gen && last.to + 1 === run.from) waiting[waiting.length - 1] = { ...run, from: last.from };
  else waiting.push(run);
}

const headOf = (conversation: ConversationId, { gen, seq, msgNo }: LiveHead): ConversationHead => ({
  conversation,
  gen,
  seq,
  msgNo,
});

function move<S>(room: Room<S>, head: LiveHead): void {
  room.head = headOf(room.conversation, head);
  room.mentionsOfAll = head.mentionsOfAll;
}

/** With what mentions all and is for this user to know: not their own, and not from before they came in (I7). */
function headFor<S>({ user }: Pick<RoomSession, 'user'>, { head, users, mentionsOfAll }: Room<S>): ConversationHead {
  const mentionAll = mentionsOfAllFor(user, users.get(user) ?? head.seq, mentionsOfAll);
  return mentionAll.length === 0 ? head : { ...head, mentionAll };
}
