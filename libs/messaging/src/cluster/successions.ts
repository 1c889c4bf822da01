import type { PartitionId } from '@millrace/kernel';
import type { Placement } from '@millrace/partition';

/**
 * Whom this node succeeds, by partition. It succeeds an owner once: when it has to claim without memory again, what was
 * committed since may be lost, by itself or by whoever had claimed the partition meanwhile, and that the owner before
 * stopped cleanly says nothing of it.
 */
export class Successions {
  readonly #placementOf: (partition: PartitionId) => Placement;
  /** `precededBy` of the last claim of each. */
  readonly #succeeded = new Map<PartitionId, number>();

  /** @param placementOf - what the newest view says of a partition. */
  constructor(placementOf: (partition: PartitionId) => Placement) {
    this.#placementOf = placementOf;
  }

  placementOf(partition: PartitionId): Placement {
    const placement = this.#placementOf(partition);
    const isRepeated = this.#succeeded.get(partition) === placement.precededBy;
    return isRepeated ? { ...placement, precededBy: 0 } : placement;
  }

  /** This node has claimed the partition, and settled that. */
  claimed(partition: PartitionId): void {
    this.#succeeded.set(partition, this.#placementOf(partition).precededBy);
  }
}
