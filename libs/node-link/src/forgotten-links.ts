import type { NodeId } from '@millrace/kernel';
import type { Incoming } from './incoming.ts';

/** With what a link begins to a node that may have had one before. */
export interface Remembered {
  /** What our first entry says of the notes before it. */
  readonly notes: 'new' | 'forgotten';
  readonly incoming: Incoming | null;
}

/**
 * Where the nodes stood whose links were forgotten, the last `max` of them. A node can be forgotten and alive: the store
 * may have lost its stream. Its entries may come once more, and the answers to its requests will never come, so it has
 * to begin a new epoch before anything of it is taken.
 */
export class ForgottenLinks {
  readonly #max: number;
  /** The one that was forgotten last comes last. */
  readonly #nodes = new Map<NodeId, Incoming | null>();
  #hasOverflowed = false;

  constructor(max: number) {
    this.#max = max;
  }

  add(node: NodeId, incoming: Incoming | null): void {
    this.#nodes.delete(node);
    this.#nodes.set(node, incoming === null ? null : { ...incoming, broken: true });
    if (this.#nodes.size <= this.#max) return;
    for (const oldest of this.#nodes.keys()) {
      this.#nodes.delete(oldest);
      this.#hasOverflowed = true;
      return;
    }
  }

  /** Takes out what is known of a node that a link begins to. */
  remember(node: NodeId): Remembered {
    const incoming = this.#nodes.get(node);
    this.#nodes.delete(node);
    if (incoming !== undefined) return { notes: 'forgotten', incoming };
    return { notes: this.#hasOverflowed ? 'forgotten' : 'new', incoming: null };
  }
}
