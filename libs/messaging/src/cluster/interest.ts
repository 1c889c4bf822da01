import type { NodeId, PartitionId, UserId } from '@millrace/kernel';

/**
 * Which other nodes hold sockets of the users that live here: where news of them goes. Kept in memory only: whoever
 * holds a socket says so again when the user's partition moves.
 */
export class Interest {
  readonly #partitionOf: (user: UserId) => PartitionId;
  /** What is said of a user is replaced, never changed: most have one node, and share what says so. */
  readonly #nodes = new Map<UserId, ReadonlySet<NodeId>>();
  readonly #only = new Map<NodeId, ReadonlySet<NodeId>>();

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
    if (nodes === undefined) this.#nodes.set(user, this.#onlyOn(node));
    else if (!nodes.has(node)) this.#nodes.set(user, new Set([...nodes, node]));
  }

  remove(user: UserId, node: NodeId): void {
    const nodes = this.#nodes.get(user);
    if (nodes?.has(node) !== true) return;
    const [first, ...others] = [...nodes].filter((each) => each !== node);
    if (first === undefined) this.#nodes.delete(user);
    else this.#nodes.set(user, others.length === 0 ? this.#onlyOn(first) : new Set([first, ...others]));
  }

  #onlyOn(node: NodeId): ReadonlySet<NodeId> {
    let only = this.#only.get(node);
    if (only === undefined) this.#only.set(node, (only = new Set([node])));
    return only;
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
    this.#only.delete(node);
  }

  /** Keeps what is about users of these partitions. */
  keepOnly(partitions: ReadonlySet<PartitionId>): void {
    for (const user of [...this.#nodes.keys()]) {
      if (!partitions.has(this.#partitionOf(user))) this.#nodes.delete(user);
    }
  }
}
