import { addTo, type ConversationId, type PartitionId, type Timers } from '@millrace/kernel';
import { conversationKey, StoreUnavailable, type ActorKey, type ConversationNames } from '@millrace/timeline';

export interface ComparisonsParts {
  readonly names: ConversationNames;
  readonly timers: Timers;
  partitionOf(this: void, key: ActorKey): PartitionId;
  /** Partitions of one pass: how much is done again by a node that ended in the middle. */
  readonly partitionsPerPass: number;
  /** Between two pages of names, so that a pass is no load. */
  readonly pauseMs: number;
}

type Take = (conversations: readonly ConversationId[]) => Promise<void>;

interface Asked {
  readonly take: Take;
  readonly done: (outcome: 'done' | 'stopped') => void;
  readonly failed: (error: unknown) => void;
}

const RETRY_MS = 500;

/**
 * Goes through the names of all conversations for partitions that have to compare theirs. Names can only be told of all
 * partitions together, so one pass serves several.
 */
export class Comparisons {
  readonly #parts: ComparisonsParts;
  readonly #waiting = new Map<PartitionId, Asked>();
  #isRunning = false;
  #isStopped = false;

  constructor(parts: ComparisonsParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isStopped = true;
    for (const { done } of this.#waiting.values()) done('stopped');
    this.#waiting.clear();
  }

  /**
   * Hands over the partition's conversations, some at a time. Resolves when all that were there from now on have been;
   * rejects with what `take` rejects with.
   */
  through(partition: PartitionId, take: Take): Promise<'done' | 'stopped'> {
    if (this.#isStopped) return Promise.resolve('stopped');
    return new Promise((done, failed) => {
      this.#waiting.get(partition)?.done('stopped');
      this.#waiting.set(partition, { take, done, failed });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // All that ask in one turn go together.
    await this.#pause(0);
    while (this.#waiting.size > 0 && !this.#isStopped) {
      const served = new Map([...this.#waiting].slice(0, this.#parts.partitionsPerPass));
      for (const partition of served.keys()) this.#waiting.delete(partition);
      await this.#pass(served);
      for (const { done } of served.values()) done(this.#isOver() ? 'stopped' : 'done');
    }
    this.#isRunning = false;
  }

  #isOver(): boolean {
    return this.#isStopped;
  }

  async #pass(served: Map<PartitionId, Asked>): Promise<void> {
    let cursor: string | null = null;
    do {
      const page = await this.#page(cursor);
      // A store that is not the one that gave the cursor: begin again.
      cursor = page?.next ?? null;
      if (page === null) continue;
      await Promise.all(this.#byPartition(page.conversations, served));
      if (page.next === null) return;
      await this.#pause(this.#parts.pauseMs);
    } while (served.size > 0 && !this.#isStopped);
  }

  #byPartition(conversations: readonly ConversationId[], served: Map<PartitionId, Asked>): readonly Promise<void>[] {
    const grouped = new Map<PartitionId, ConversationId[]>();
    for (const conversation of conversations) {
      const partition = this.#parts.partitionOf(conversationKey(conversation));
      if (!served.has(partition)) continue;
      addTo(grouped, partition, conversation);
    }
    return [...grouped].map(async ([partition, of]) => {
      const asked = served.get(partition);
      try {
        await asked?.take(of);
      } catch (error) {
        served.delete(partition);
        asked?.failed(error);
      }
    });
  }

  async #page(cursor: string | null): ReturnType<ConversationNames['page']> {
    while (!this.#isStopped) {
      try {
        return await this.#parts.names.page(cursor);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
      await this.#pause(RETRY_MS);
    }
    return { conversations: [], next: null };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(ms, resolve);
    });
  }
}
