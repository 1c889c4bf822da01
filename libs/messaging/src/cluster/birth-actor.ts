import { TrackedValue } from '@millrace/actor';
import { fromUtf8, generation, ok, sequenceId, type Generation, type Result } from '@millrace/kernel';
import type { ActorRecord, ActorWrite, Handled, PartitionActor } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { emptyHead, inGeneration, type ActorKey, type Position, type TimelineHead } from '@millrace/timeline';

/** Lives in partition 0, whatever their number. */
export const birthKey = 'k:cluster' as ActorKey;

/** Fixes the number of partitions when there is none yet. Answers the number that is fixed. */
export interface BirthCommand {
  readonly t: 'birth';
  readonly partitionCount: number;
}

/** Another number of partitions would look for every conversation in the wrong place. */
export class PartitionCountMismatch extends Error {
  override readonly name = 'PartitionCountMismatch';

  constructor(stored: number, configured: number) {
    super(
      `this store was born with ${String(stored)} partitions, and ${String(configured)} are configured: ` +
        `the number is fixed for good, so configure ${String(stored)}, or use an empty store`,
    );
  }
}

/** Remembers what was fixed when the cluster was born. Its record has one field, `p`: the number of partitions. */
export class BirthActor implements PartitionActor<BirthCommand, Result<number, FrameError>, never> {
  readonly weight = 1;
  readonly #head: TimelineHead;
  readonly #partitions: TrackedValue<number | null>;
  #storedAt: Position;

  constructor(record: ActorRecord, gen: Generation) {
    const stored = record.fields.get('p');
    this.#head = inGeneration(record.head ?? emptyHead(gen), gen);
    this.#storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
    this.#partitions = new TrackedValue(stored === undefined ? null : Number(fromUtf8(stored)));
  }

  handle({ partitionCount }: BirthCommand): Handled<Result<number, FrameError>, never> {
    this.#partitions.value ??= partitionCount;
    return { reply: ok(this.#partitions.value), effects: [] };
  }

  pendingWrite(): ActorWrite | null {
    if (!this.#partitions.dirty) return null;
    return {
      actor: birthKey,
      expected: { gen: this.#storedAt.gen, seq: this.#storedAt.seq },
      head: this.#head,
      entries: [],
      set: [['p', String(this.#partitions.value)]],
      unset: [],
      trimBefore: null,
    };
  }

  settle(): void {
    // An actor that only answered still stands where it was stored.
    if (!this.#partitions.dirty) return;
    this.#partitions.settle();
    this.#storedAt = this.#head;
  }

  restore(): void {
    this.#partitions.restore();
  }
}
