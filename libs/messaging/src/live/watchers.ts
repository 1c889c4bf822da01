import { addTo, type ConversationId, type NodeId } from '@millrace/kernel';

interface Watching {
  readonly node: NodeId;
  /** Monotonic. */
  untilMs: number;
}

/**
 * Which nodes bring the entries of conversations that live here to sockets of theirs. Kept in memory only, and each for
 * a time: whoever watches says so again, also when the conversation's partition moves.
 */
export class Watchers {
  /** Few of each, and one mostly. */
  readonly #nodes = new Map<ConversationId, Watching[]>();

  /** Conversations that anyone watches. */
  get size(): number {
    return this.#nodes.size;
  }

  /** @param untilMs - monotonic; said again before. */
  add(conversation: ConversationId, node: NodeId, untilMs: number): void {
    const nodes = this.#nodes.get(conversation);
    const known = nodes?.find((each) => each.node === node);
    if (known !== undefined) known.untilMs = untilMs;
    else addTo(this.#nodes, conversation, { node, untilMs });
  }

  remove(conversation: ConversationId, node: NodeId): void {
    const nodes = this.#nodes.get(conversation);
    const at = nodes?.findIndex((each) => each.node === node) ?? -1;
    if (nodes === undefined || at < 0) return;
    nodes.splice(at, 1);
    if (nodes.length === 0) this.#nodes.delete(conversation);
  }

  /** @returns the nodes that watched it. */
  end(conversation: ConversationId): readonly NodeId[] {
    const nodes = this.of(conversation);
    this.#nodes.delete(conversation);
    return nodes;
  }

  has(conversation: ConversationId): boolean {
    return this.#nodes.has(conversation);
  }

  of(conversation: ConversationId): readonly NodeId[] {
    return this.#nodes.get(conversation)?.map(({ node }) => node) ?? [];
  }

  /** By node, which of these conversations it watches. */
  byNode(isMeant: (conversation: ConversationId) => boolean): ReadonlyMap<NodeId, readonly ConversationId[]> {
    const byNode = new Map<NodeId, ConversationId[]>();
    for (const [conversation, nodes] of this.#nodes) {
      if (!isMeant(conversation)) continue;
      for (const { node } of nodes) addTo(byNode, node, conversation);
    }
    return byNode;
  }

  /** A node's run is over. */
  forgetNode(node: NodeId): void {
    for (const conversation of [...this.#nodes.keys()]) this.remove(conversation, node);
  }

  keepOnly(isHere: (conversation: ConversationId) => boolean): void {
    for (const conversation of [...this.#nodes.keys()]) if (!isHere(conversation)) this.#nodes.delete(conversation);
  }

  /** Whoever has not said it again in time does not watch any more. */
  sweep(nowMs: number): void {
    for (const [conversation, nodes] of [...this.#nodes]) {
      for (const { node, untilMs } of [...nodes]) if (untilMs <= nowMs) this.remove(conversation, node);
    }
  }
}
