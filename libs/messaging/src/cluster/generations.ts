import {
  generation,
  type ConversationId,
  type Generation,
  type NodeId,
  type PartitionId,
  type Timers,
} from '@millrace/kernel';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import type { KnownGenerations } from '../user/confirmation.ts';

/** Partitions that have lost something once, each with its newest generation. */
export type GenerationNews = readonly (readonly [PartitionId, Generation])[];

export interface GenerationsParts {
  readonly timers: Timers;
  partitionOf(this: void, key: ActorKey): PartitionId;
  /** Tells another node; whether it has taken note. */
  tell(this: void, node: NodeId, news: GenerationNews): Promise<boolean>;
  /** Something new is known here of these partitions. */
  risen(this: void, partitions: ReadonlySet<PartitionId>): void;
}

const RETRY_MS = 200;
const FIRST = generation(1);

/**
 * The newest generation of each partition, on every node. Partitions in their first one, which are all as a rule, are
 * not mentioned.
 *
 * (G1) What a partition begins, or is found in, is told to every other node of the view by its owner, until each has
 *      answered; also to one that comes later. Who owns the partition next tells it again, so that an owner's death
 *      costs nothing.
 */
export class Generations implements KnownGenerations {
  readonly #parts: GenerationsParts;
  readonly #newest = new Map<PartitionId, Generation>();
  /** Of partitions that this node owns or owned: what it tells others. */
  readonly #firstHand = new Map<PartitionId, Generation>();
  /** By node, what it has answered to. */
  readonly #told = new Map<NodeId, Map<PartitionId, Generation>>();
  readonly #telling = new Set<NodeId>();
  #version = 0;

  constructor(parts: GenerationsParts) {
    this.#parts = parts;
  }

  get version(): number {
    return this.#version;
  }

  of(partition: PartitionId): Generation {
    return this.#newest.get(partition) ?? generation(0);
  }

  newest(conversation: ConversationId): Generation {
    return this.of(this.#parts.partitionOf(conversationKey(conversation)));
  }

  /** A partition of this node is in that generation, and that is stored. */
  claimed(partition: PartitionId, gen: Generation): void {
    if (gen <= FIRST) return;
    this.#firstHand.set(partition, gen);
    this.heard([[partition, gen]]);
    for (const node of this.#told.keys()) void this.#tell(node);
  }

  heard(news: GenerationNews): null {
    const risen = new Set<PartitionId>();
    for (const [partition, gen] of news) {
      if (gen <= this.of(partition)) continue;
      this.#newest.set(partition, gen);
      risen.add(partition);
    }
    if (risen.size > 0) {
      this.#version += 1;
      this.#parts.risen(risen);
    }
    return null;
  }

  /** The other nodes of the newest view. */
  follow(others: ReadonlySet<NodeId>): void {
    for (const node of [...this.#told.keys()]) if (!others.has(node)) this.#told.delete(node);
    for (const node of others) {
      if (!this.#told.has(node)) this.#told.set(node, new Map());
      void this.#tell(node);
    }
  }

  /** Tells nobody any more. */
  stop(): void {
    this.#told.clear();
  }

  async #tell(node: NodeId): Promise<void> {
    if (this.#telling.has(node)) return;
    this.#telling.add(node);
    for (;;) {
      const told = this.#told.get(node);
      const news = [...this.#firstHand].filter(([partition, gen]) => gen > (told?.get(partition) ?? 0));
      if (told === undefined || news.length === 0) break;
      if (await this.#parts.tell(node, news)) for (const [partition, gen] of news) told.set(partition, gen);
      else {
        await new Promise<void>((resolve) => {
          this.#parts.timers.after(RETRY_MS, resolve);
        });
      }
    }
    this.#telling.delete(node);
  }
}
