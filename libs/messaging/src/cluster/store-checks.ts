import type { PartitionId, Result, Timers } from '@millrace/kernel';
import type { StoreError } from '@millrace/partition';
import { epochOf, type AnsweredAt } from '@millrace/timeline';

/** Of an owner of a partition what a check needs. */
export interface CheckedOwner extends AnsweredAt {
  readonly partition: PartitionId;
  readonly isServing: boolean;
  /** The store has lost the claim, or what was acknowledged: claims again, and replays it. */
  reclaim(): void;
  /** Another owner has claimed the partition. */
  superseded(heldEpoch: number): void;
}

export interface StoreChecksParts {
  readonly timers: Timers;
  owners(this: void): readonly CheckedOwner[];
  stands(this: void, partition: PartitionId): Promise<Result<AnsweredAt, StoreError>>;
}

/** A partition in which nothing was committed for so long is held against its store. */
const CHECK_MS = 1_000;

/**
 * What a store that serves on has lost, and a claim of another owner that this node has not heard of, come out with the next
 * commit. Where none comes, nobody would notice: what was acknowledged would be in memory alone, and what is answered from
 * there might be overtaken. So whoever rests is held against the store.
 */
export class StoreChecks {
  readonly #parts: StoreChecksParts;
  /** Where each stood at the last look. */
  #before = new Map<PartitionId, AnsweredAt>();
  #isOn = false;

  constructor(parts: StoreChecksParts) {
    this.#parts = parts;
  }

  /** Goes on for as long as there are owners. */
  begin(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#parts.timers.after(CHECK_MS, () => {
      this.#isOn = false;
      this.#look();
    });
  }

  #look(): void {
    const owners = this.#parts.owners();
    const before = this.#before;
    this.#before = new Map(owners.map(({ partition, token, commitNo }) => [partition, { token, commitNo }]));
    for (const owner of owners) {
      if (owner.isServing && isSame(owner, before.get(owner.partition))) void this.#check(owner);
    }
    if (owners.length > 0) this.begin();
  }

  async #check(owner: CheckedOwner): Promise<void> {
    const { partition, token, commitNo } = owner;
    const before = { token, commitNo };
    const stands = await this.#parts.stands(partition);
    // Whatever has happened meanwhile has found out by itself.
    if (!stands.ok || !owner.isServing || !isSame(owner, before)) return;
    const { value } = stands;
    if (epochOf(value) > epochOf(before)) owner.superseded(epochOf(value));
    else if (value.token !== token || value.commitNo < commitNo) owner.reclaim();
  }
}

const isSame = ({ token, commitNo }: AnsweredAt, other: AnsweredAt | undefined): boolean =>
  other?.token === token && other.commitNo === commitNo;
