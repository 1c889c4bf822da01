import type { UserId } from '@millrace/kernel';

/**
 * Everyone who is or was a member, in order of user id (by ASCII), so that a page of them begins with a binary search. It
 * may name users who are not: of a commit that was refused. Whoever reads it looks each one up.
 */
export class MemberIndex {
  readonly #users: UserId[];

  constructor(users: Iterable<UserId>) {
    this.#users = [...users].sort();
  }

  /** A user who may be there already. */
  add(user: UserId): void {
    const at = this.#firstFrom(user);
    if (this.#users[at] !== user) this.#users.splice(at, 0, user);
  }

  /** Those behind `after`, or all of them, in order. The index must not change meanwhile. */
  *behind(after: UserId | null): IterableIterator<UserId> {
    let at = after === null ? 0 : this.#firstFrom(after);
    if (this.#users[at] === after) at += 1;
    for (; at < this.#users.length; at += 1) {
      const user = this.#users[at];
      if (user !== undefined) yield user;
    }
  }

  /** The index of the first that is not below `user`. */
  #firstFrom(user: UserId): number {
    let low = 0;
    let high = this.#users.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#users[middle] ?? user) < user) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
