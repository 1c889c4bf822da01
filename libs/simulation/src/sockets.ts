import { generation, sequenceId, type ConversationId, type Generation, type UserId } from '@millrace/kernel';
import type { LiveEntries, LivePort, UserPush, UserPushPort } from '@millrace/messaging';
import { comparePositions, type Position } from '@millrace/timeline';
import type { History } from './history.ts';
import type { Truth } from './truth.ts';

/** A device with a socket, as far as it takes what comes unasked. */
export interface Listener {
  push(push: UserPush): void;
  /** Something may be missing from the pushes: it has to sync. */
  resync(): void;
  live(conversation: ConversationId, live: LiveEntries): void;
}

export interface SocketsParts {
  /** The node's, for what is said. */
  readonly name: string;
  readonly history: History;
  /** Checks what is told live. */
  readonly live: LivePort;
  /** Where the user's inbox stands in the store, null before the first of it. */
  inboxOf(this: void, user: UserId): Position | null;
  /** Of the user's partition, in the store. */
  generationOf(this: void, user: UserId): Generation;
  /** An inbox lacks something for good. */
  broke(this: void, user: UserId): void;
}

interface Room {
  readonly users: Set<UserId>;
  head: Position;
}

const nowhere: Position = { gen: generation(0), seq: sequenceId(0) };
const name = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;
const later = (one: Position, other: Position): Position => (comparePositions(one, other) >= 0 ? one : other);

/**
 * Whether who was told of the one position knows where a Timeline stands that is stored at the other. Its owner tells of it
 * in the partition's generation, in which perhaps nothing was written yet: then it stands where it stood.
 */
const isUpTo = (told: Position, stored: Position, newest: Generation): boolean =>
  told.seq === stored.seq && told.gen >= stored.gen && told.gen <= Math.max(stored.gen, newest);

/**
 * The sockets of one run of a node: what they are told, and up to where. A device that sees a gap syncs; so whoever was told
 * of a position has everything up to there, or knows that it has not.
 */
export class Sockets {
  readonly pushPort: UserPushPort;
  readonly livePort: LivePort;
  readonly #parts: SocketsParts;
  readonly #users = new Set<UserId>();
  readonly #inboxes = new Map<UserId, Position>();
  /** By user and conversation. */
  readonly #reads = new Map<string, number>();
  readonly #rooms = new Map<ConversationId, Room>();
  readonly #listeners = new Map<UserId, Set<Listener>>();

  constructor(parts: SocketsParts) {
    this.#parts = parts;
    const nothing = (): void => undefined;
    this.pushPort = {
      ...{ receipt: nothing, receipts: nothing, presence: nothing, typing: nothing },
      push: (user, push) => {
        this.#push(user, push);
      },
      resync: (user, reason) => {
        // Then its devices sync.
        this.#told(user, parts.inboxOf(user) ?? nowhere);
        for (const listener of this.#listeners.get(user) ?? []) listener.resync();
        if (reason === 'incomplete') parts.broke(user);
      },
    };
    this.livePort = this.#over(parts.live);
  }

  /** The node has answered where the inbox stands, and tells what comes behind that. */
  attached(user: UserId, inbox: Position, listener: Listener): void {
    this.#users.add(user);
    this.#told(user, inbox);
    this.#listeners.set(user, (this.#listeners.get(user) ?? new Set()).add(listener));
  }

  /** The device has its socket elsewhere. */
  detach(user: UserId, listener: Listener): void {
    this.#listeners.get(user)?.delete(listener);
  }

  /** What nobody here was told when nothing has happened for long, in words. */
  lacking(truths: ReadonlyMap<ConversationId, Truth>): readonly string[] {
    const lacking: string[] = [];
    for (const user of this.#users) {
      const [told, stands] = [this.#inboxes.get(user) ?? nowhere, this.#parts.inboxOf(user) ?? nowhere];
      if (!isUpTo(told, stands, this.#parts.generationOf(user))) {
        lacking.push(`the sockets of ${user} were told of ${name(told)} of an inbox that stands at ${name(stands)}`);
      }
      for (const truth of truths.values()) lacking.push(...this.#lackingOf(user, truth));
    }
    return lacking.map((what) => `on ${this.#parts.name} ${what}`);
  }

  /** How many inboxes, and conversations in read mode, users here are told of. */
  get count(): number {
    return this.#users.size + [...this.#rooms.values()].reduce((sum, { users }) => sum + users.size, 0);
  }

  #lackingOf(user: UserId, truth: Truth): readonly string[] {
    const { conversation, head } = truth;
    const room = this.#rooms.get(conversation);
    const isTold = room?.users.has(user) === true;
    const isPulled = truth.mode === 'read' && truth.isIn(user);
    const where = `${conversation}, which stands at ${name(head ?? nowhere)}`;
    if (!isPulled) return isTold ? [`${user} is told what comes in ${where}, and does not pull it`] : [];
    if (!isTold) return [`${user} is not told what comes in ${where}`];
    // In a generation in which nothing was written yet it stands where it stood.
    const { gen, seq } = head ?? nowhere;
    if (room.head.seq === seq && room.head.gen >= gen) return [];
    return [`${user} was told of ${name(room.head)} of ${where}`];
  }

  #push(user: UserId, push: UserPush): void {
    const { history } = this.#parts;
    for (const item of push.items) {
      if ('read' in item) this.#read(user, item.conversation, item.read.readSeq);
      if (!('messages' in item)) continue;
      for (const entry of item.messages) history.revealed(item.conversation, entry, `a push to ${user}`);
    }
    this.#told(user, { gen: push.gen, seq: push.to });
    for (const listener of this.#listeners.get(user) ?? []) listener.push(push);
  }

  /** The inbox tells read positions in the order in which they moved, while nothing of it, or of them, was lost. */
  #read(user: UserId, conversation: ConversationId, readSeq: number): void {
    const { history } = this.#parts;
    if (history.losses > 0) return;
    const key = `${user} ${conversation}`;
    const before = this.#reads.get(key) ?? 0;
    if (readSeq <= before) {
      const positions = `${String(readSeq)} in ${conversation}, behind ${String(before)}`;
      history.violated(`a push to ${user} tells the read position ${positions}`);
    }
    this.#reads.set(key, readSeq);
  }

  #told(user: UserId, inbox: Position): void {
    this.#inboxes.set(user, later(inbox, this.#inboxes.get(user) ?? nowhere));
  }

  #over(port: LivePort): LivePort {
    return {
      ...port,
      entered: (conversation, users, head, since) => {
        port.entered(conversation, users, head, since);
        const room = this.#rooms.get(conversation) ?? { users: new Set<UserId>(), head };
        for (const user of users) room.users.add(user);
        this.#rooms.set(conversation, room);
      },
      left: (conversation, users) => {
        port.left(conversation, users);
        this.#leave(conversation, users);
      },
      live: (conversation, live) => {
        port.live(conversation, live);
        for (const user of this.#rooms.get(conversation)?.users ?? []) {
          for (const listener of this.#listeners.get(user) ?? []) listener.live(conversation, live);
        }
      },
      at: (conversation, head) => {
        port.at(conversation, head);
        this.#stands(conversation, head);
      },
      stands: (conversation, head) => {
        port.stands(conversation, head);
        this.#stands(conversation, head);
      },
      over: (conversation) => {
        port.over(conversation);
        this.#rooms.delete(conversation);
      },
      gone: (conversation, users) => {
        port.gone(conversation, users);
        this.#leave(conversation, users);
      },
    };
  }

  #stands(conversation: ConversationId, head: Position): void {
    const room = this.#rooms.get(conversation);
    if (room !== undefined) room.head = head;
  }

  #leave(conversation: ConversationId, users: readonly UserId[]): void {
    const room = this.#rooms.get(conversation);
    for (const user of users) room?.users.delete(user);
    if (room?.users.size === 0) this.#rooms.delete(conversation);
  }
}
