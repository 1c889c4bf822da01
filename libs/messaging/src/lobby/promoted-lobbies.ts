import { TrackedMap } from '@millrace/actor';
import {
  generation,
  ok,
  sequenceId,
  type ConversationId,
  type Generation,
  type PartitionId,
  type Result,
} from '@millrace/kernel';
import type { ActorRecord, ActorWrite, Handled, PartitionActor } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { emptyHead, inGeneration, type ActorKey, type Position, type TimelineHead } from '@millrace/timeline';

/** Lives in the partition that it names. */
export const promotedKey = (partition: PartitionId): ActorKey => `p:${String(partition)}` as ActorKey;

export const promotedPartition = (key: ActorKey): number | null => (key.startsWith('p:') ? Number(key.slice(2)) : null);

/** Remembers a lobby that is about to become a group. Answers all that ever were, of the partition. */
export interface PromotedCommand {
  readonly t: 'promoted';
  readonly add: ConversationId | null;
}

/**
 * The lobbies of one partition that have become groups, so that whoever asks for a lobby that is gone is answered without
 * a look into the store. It may name one that did not become a group after all.
 *
 * Its record has a field for each, its id, with nothing in it.
 */
export class PromotedLobbies implements PartitionActor<
  PromotedCommand,
  Result<readonly ConversationId[], FrameError>,
  never
> {
  readonly #key: ActorKey;
  readonly #head: TimelineHead;
  readonly #lobbies: TrackedMap<ConversationId, true>;
  #storedAt: Position;

  constructor(key: ActorKey, record: ActorRecord, gen: Generation) {
    this.#key = key;
    this.#head = inGeneration(record.head ?? emptyHead(gen), gen);
    this.#storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
    this.#lobbies = new TrackedMap([...record.fields.keys()].map((id) => [id as ConversationId, true] as const));
  }

  get weight(): number {
    return 1 + this.#lobbies.size;
  }

  handle({ add }: PromotedCommand): Handled<Result<readonly ConversationId[], FrameError>, never> {
    if (add !== null && !this.#lobbies.has(add)) this.#lobbies.set(add, true);
    return { reply: ok(add === null ? [...this.#lobbies.keys()] : []), effects: [] };
  }

  pendingWrite(): ActorWrite | null {
    if (!this.#lobbies.dirty) return null;
    return {
      actor: this.#key,
      expected: { gen: this.#storedAt.gen, seq: this.#storedAt.seq },
      head: this.#head,
      entries: [],
      set: [...this.#lobbies.changes()].map(([id]) => [id, ''] as const),
      unset: [],
      trimBefore: null,
    };
  }

  settle(): void {
    // An actor that only answered still stands where it was stored.
    if (!this.#lobbies.dirty) return;
    this.#lobbies.settle();
    this.#storedAt = this.#head;
  }

  restore(): void {
    this.#lobbies.restore();
  }
}
