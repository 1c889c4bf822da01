import type { NodeId, PartitionId, UserId } from '@millrace/kernel';

/**
 * Which other nodes hold sockets of the users that live here: where news of them goes. Kept in memory only: whoever
 * holds a socket says so again when the user's partition moves.
 */
export class Interest {
  readonly #partitionOf: (user: UserId) => PartitionId;
  readonly #nodes = new Map<UserId, Set<NodeId>>();

  constructor(partitionOf: (user: UserId) => PartitionId) {
    this.#partitionOf = partitionOf;
  }

  /** Users that anyone is interested in. */
  get size(): number {
    return this.#nodes.size;
  }

  get users(): Iterable<UserId> {
    return this.#nodes.keys();
  }

  add(user: UserId, node: NodeId): void {
    const nodes = this.#nodes.get(user);
    if (nodes === undefined) this.#nodes.set(user, new Set([node]));
    else nodes.add(node);
  }

  remove(user: UserId, node: NodeId): void {
    const nodes = this.#nodes.get(user);
    if (nodes?.delete(node) === true && nodes.size === 0) this.#nodes.delete(user);
  }

  has(user: UserId): boolean {
    return this.#nodes.has(user);
  }

  of(user: UserId): ReadonlySet<NodeId> | undefined {
    return this.#nodes.get(user);
  }

  /** A node's run is over. */
  forgetNode(node: NodeId): void {
    for (const user of [...this.#nodes.keys()]) this.remove(user, node);
  }

  /** Keeps what is about users of these partitions. */
  keepOnly(partitions: ReadonlySet<PartitionId>): void {
    for (const user of [...this.#nodes.keys()]) {
      if (!partitions.has(this.#partitionOf(user))) this.#nodes.delete(user);
    }
  }
}
