import type { NodeId, UserId } from '@millrace/kernel';

interface Told {
  readonly users: Set<UserId>;
  /** Said last, monotonic. */
  atMs: number;
}

/**
 * Which members of one lobby have it open on a device, as the nodes say that hold their sockets, and since when the
 * others have not.
 *
 * (B1) Who is a member, and whom no node names, is away from then on: whatever a node said last stands until it says
 *      otherwise, or is gone.
 */
export class LobbyPresence {
  readonly #nodes = new Map<NodeId, Told>();
  /** Members, since when: the longest first. */
  readonly #away = new Map<UserId, number>();

  get someAreAway(): boolean {
    return this.#away.size > 0;
  }

  /** They are members now. */
  joined(users: Iterable<UserId>, nowMs: number): void {
    for (const user of users) if (!this.#isHere(user) && !this.#away.has(user)) this.#away.set(user, nowMs);
  }

  /** They are not any more. */
  left(users: Iterable<UserId>): void {
    for (const user of users) {
      this.#away.delete(user);
      for (const { users: there } of this.#nodes.values()) there.delete(user);
    }
  }

  /** A node names all that have it open there. */
  told(node: NodeId, members: Iterable<UserId>, nowMs: number): void {
    const before = this.#nodes.get(node)?.users ?? [];
    const users = new Set(members);
    this.#nodes.set(node, { users, atMs: nowMs });
    for (const user of users) this.#away.delete(user);
    for (const user of before) this.#maybeAway(user, nowMs);
  }

  gone(node: NodeId, user: UserId, nowMs: number): void {
    if (this.#nodes.get(node)?.users.delete(user) === true) this.#maybeAway(user, nowMs);
  }

  forgetNode(node: NodeId, nowMs: number): void {
    const before = this.#nodes.get(node)?.users ?? [];
    this.#nodes.delete(node);
    for (const user of before) this.#maybeAway(user, nowMs);
  }

  /** What was said before that moment, and not since, does not stand any more. */
  expire(beforeMs: number, nowMs: number): void {
    for (const [node, { atMs }] of [...this.#nodes]) if (atMs < beforeMs) this.forgetNode(node, nowMs);
  }

  /** Members who are away since that moment, or longer. */
  awaySince(untilMs: number): readonly UserId[] {
    const users: UserId[] = [];
    for (const [user, sinceMs] of this.#away) {
      if (sinceMs > untilMs) break;
      users.push(user);
    }
    return users;
  }

  #isHere(user: UserId): boolean {
    for (const { users } of this.#nodes.values()) if (users.has(user)) return true;
    return false;
  }

  #maybeAway(user: UserId, nowMs: number): void {
    if (!this.#isHere(user) && !this.#away.has(user)) this.#away.set(user, nowMs);
  }
}
