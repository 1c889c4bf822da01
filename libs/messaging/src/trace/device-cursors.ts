import type { DeviceId, UserId } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';

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

/** One device, as far as this node was told or has sent. */
export class DeviceCursor {
  readonly device: DeviceId;
  session: string | null = null;
  readonly told = new CursorMark();
  readonly pushed = new CursorMark();
  readonly pulled = new CursorMark();
  readonly skipped = new CursorMark();
  resynced: { readonly reason: string; readonly atMs: number } | null = null;

  constructor(device: DeviceId) {
    this.device = device;
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
