import type { ConversationId, DeviceId, UserId } from '@millrace/kernel';
import { comparePositions, type Position } from '@millrace/timeline';

/** Where in its user's inbox, and when, monotonic. */
export class CursorMark {
  gen = 0;
  seq = 0;
  atMs = -1;

  /** Only forward. */
  move(gen: number, seq: number, atMs: number): void {
    if (gen < this.gen || (gen === this.gen && seq <= this.seq)) return;
    this.gen = gen;
    this.seq = seq;
    this.atMs = atMs;
  }

  moveTo({ gen, seq }: Position, atMs: number): void {
    this.move(gen, seq, atMs);
  }

  /** Nothing is known. */
  get isBlank(): boolean {
    return this.atMs < 0;
  }
}

/** A topic that a session listens to, or did: to what went out from step `from` on, and before step `to`. */
export interface Seat {
  readonly topic: string;
  readonly session: string;
  readonly from: number;
  to: number;
}

/** Of one device, that it listens to no more. */
const FORMER_SEATS_MAX = 8;
/** Conversations of one device that it was answered something of, and has not said since that it has it. */
const UNSAID_MAX = 64;

/** One device, as far as this node was told or has sent. */
export class DeviceCursor {
  readonly device: DeviceId;
  session: string | null = null;
  readonly told = new CursorMark();
  readonly pushed = new CursorMark();
  readonly pulled = new CursorMark();
  readonly skipped = new CursorMark();
  resynced: { readonly reason: string; readonly atMs: number } | null = null;
  /** Null until there is one: most devices show no conversation that is pulled. */
  #seats: Seat[] | null = null;
  #unsaid: Map<ConversationId, Position> | null = null;

  constructor(device: DeviceId) {
    this.device = device;
  }

  get seats(): readonly Seat[] {
    return this.#seats ?? [];
  }

  listens(topic: string, session: string, step: number): void {
    this.#seats ??= [];
    this.#seats.push({ topic, session, from: step, to: Number.POSITIVE_INFINITY });
  }

  /** @param topic - null for all of them. */
  unlistens(topic: string | null, session: string, step: number): void {
    for (const seat of this.#seats ?? []) {
      if (seat.session === session && (topic === null || seat.topic === topic)) seat.to = Math.min(seat.to, step);
    }
    const former = this.seats.filter(({ to }) => to < Number.POSITIVE_INFINITY);
    const oldest = new Set(former.slice(0, -FORMER_SEATS_MAX));
    if (oldest.size > 0) this.#seats = this.seats.filter((seat) => !oldest.has(seat));
  }

  /** The device was answered the conversation up to there. */
  brought(conversation: ConversationId, to: Position): void {
    this.#unsaid ??= new Map();
    this.#unsaid.delete(conversation);
    this.#unsaid.set(conversation, to);
    for (const longest of this.#unsaid.keys()) {
      if (this.#unsaid.size > UNSAID_MAX) this.#unsaid.delete(longest);
    }
  }

  /** The device stands there. @returns whether that says more than was known. */
  says(conversation: ConversationId, position: Position): boolean {
    const brought = this.#unsaid?.get(conversation);
    if (brought === undefined || comparePositions(position, brought) < 0) return false;
    this.#unsaid?.delete(conversation);
    return true;
  }
}

/** Of one user that are not connected. */
const OFFLINE_DEVICES_MAX = 32;

/**
 * The devices of users that are or were connected to this node: at most `offlineUsersMax` of those without a session,
 * the ones that were here last (I9).
 */
export class DeviceCursors {
  readonly #offlineUsersMax: number;
  readonly #online = new Map<UserId, DeviceCursor[]>();
  /** Insertion order: who went first is forgotten first. */
  readonly #offline = new Map<UserId, DeviceCursor[]>();

  constructor(offlineUsersMax: number) {
    this.#offlineUsersMax = offlineUsersMax;
  }

  /** Users of whom anything is known. */
  get size(): number {
    return this.#online.size + this.#offline.size;
  }

  of(user: UserId): readonly DeviceCursor[] {
    return this.#online.get(user) ?? this.#offline.get(user) ?? [];
  }

  find(user: UserId, device: DeviceId): DeviceCursor | undefined {
    return this.of(user).find((cursor) => cursor.device === device);
  }

  connected(user: UserId, device: DeviceId, session: string): DeviceCursor {
    let cursors = this.#online.get(user);
    if (cursors === undefined) {
      cursors = this.#offline.get(user) ?? [];
      this.#offline.delete(user);
      this.#online.set(user, cursors);
    }
    let cursor = cursors.find((each) => each.device === device);
    if (cursor === undefined) {
      cursor = new DeviceCursor(device);
      cursors.push(cursor);
    }
    cursor.session = session;
    return cursor;
  }

  /** Nothing when another session of the device is there meanwhile. */
  ended(user: UserId, cursor: DeviceCursor, session: string): void {
    const cursors = this.#online.get(user);
    if (cursors === undefined || cursor.session !== session) return;
    cursor.session = null;
    // The newest of those that are not connected is at the end.
    cursors.push(...cursors.splice(cursors.indexOf(cursor), 1));
    const offline = cursors.filter((each) => each.session === null);
    const [oldest] = offline;
    if (offline.length > OFFLINE_DEVICES_MAX && oldest !== undefined) cursors.splice(cursors.indexOf(oldest), 1);
    if (offline.length < cursors.length) return;
    this.#online.delete(user);
    this.#offline.set(user, cursors);
    if (this.#offline.size <= this.#offlineUsersMax) return;
    for (const longest of this.#offline.keys()) {
      this.#offline.delete(longest);
      return;
    }
  }
}
