import { partitionId, type Cancel, type NodeId, type PartitionId, type Timers } from '@millrace/kernel';
import { placementOf, type ClusterView, type PartitionLog, type Placement } from '@millrace/partition';

export interface HandoffsParts {
  /** The stable name of this node. */
  readonly name: string;
  readonly self: NodeId;
  readonly timers: Timers;
  readonly log: PartitionLog;
  /** How long a partition waits for its living owner to hand it back; then it is claimed over its head. */
  readonly releaseMsMax: number;
  readonly host: {
    has(partition: PartitionId): boolean;
    readonly partitions: ReadonlySet<PartitionId>;
    expect(partition: PartitionId): void;
    claim(partition: PartitionId): Promise<void>;
    release(partition: PartitionId): Promise<void>;
  };
  /** Tells who is to own the partition next that it is free. */
  released(partition: PartitionId, to: NodeId): void;
  /** Everything that this view gave is served, and what it took is handed back. */
  settled(version: number): void;
}

/** Between losing a partition that the view still gives us, and claiming it again: whoever has it may be right. */
const RECLAIM_MS = 500;

/**
 * Carries out views: takes what they give to this node and hands back what they take.
 *
 * (V1) A partition is taken from a living owner when that one has handed it back, or has had its time; from one that is
 *      gone at once. The claim fences whoever is wrong about it (I2), so none of this is needed for safety.
 */
export class Handoffs {
  readonly #parts: HandoffsParts;
  #view: ClusterView | null = null;
  readonly #waiting = new Map<PartitionId, { readonly from: NodeId; readonly cancel: Cancel }>();
  /** Handed back to us before we heard of the view that says so. */
  readonly #early = new Set<PartitionId>();
  readonly #releasing = new Map<PartitionId, Promise<void>>();
  #pending = 0;
  #settled = 0;
  #stopped = false;

  constructor(parts: HandoffsParts) {
    this.#parts = parts;
  }

  /** Partitions that a living node still has to hand back, or that are being claimed or released. */
  get moving(): number {
    return this.#waiting.size + this.#pending;
  }

  /** What the view that is being carried out says of a partition, to this node. */
  placementOf(partition: PartitionId): Placement {
    const { name, self: node } = this.#parts;
    return placementOf(this.#view, partition, { name, node });
  }

  follow(view: ClusterView): void {
    const before = this.#view;
    this.#view = view;
    const { host, name } = this.#parts;
    const runs = new Map(view.members.map((member) => [member.name, member.node]));
    for (const [partition, { from }] of this.#waiting) {
      // The one that we waited for is gone, or the partition is not to be ours after all.
      if (view.owners[partition] !== name) this.#give(partition, null);
      else if (![...runs.values()].includes(from)) this.#take(partition);
    }
    for (const partition of host.partitions) {
      const next = view.owners[partition];
      if (next !== name && !this.#waiting.has(partition)) this.#give(partition, runs.get(next ?? '') ?? null);
    }
    view.owners.forEach((owner, index) => {
      const partition = partitionId(index);
      if (owner !== name || host.has(partition)) return;
      const last = before?.owners[index] ?? null;
      const from = last === null || last === name ? null : (runs.get(last) ?? null);
      if (from === null || this.#early.delete(partition)) this.#take(partition);
      else this.#await(partition, from);
    });
    this.#early.clear();
    this.#maybeSettled();
  }

  /** Its last owner has handed a partition back. */
  released(partition: PartitionId): void {
    if (this.#waiting.has(partition)) this.#take(partition);
    else if (!this.#parts.host.has(partition)) this.#early.add(partition);
  }

  /** Another node has claimed it. If the view goes on giving it to us, it is claimed again. */
  lost(partition: PartitionId): void {
    this.#parts.timers.after(RECLAIM_MS, () => {
      if (this.#isOurs(partition) && !this.#parts.host.has(partition)) this.#take(partition);
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  #await(partition: PartitionId, from: NodeId): void {
    const { host, timers, releaseMsMax, log } = this.#parts;
    // Commands that come already wait here, not at their sender.
    host.expect(partition);
    const cancel = timers.after(releaseMsMax, () => {
      log.warn('a partition was not handed back in time; it is claimed', { partition, from });
      this.#take(partition);
    });
    this.#waiting.set(partition, { from, cancel });
  }

  #take(partition: PartitionId): void {
    this.#waiting.get(partition)?.cancel();
    this.#waiting.delete(partition);
    this.#pending += 1;
    // Not beside the last of an earlier tenure of ours: its memory goes first.
    const before = this.#releasing.get(partition);
    if (before === undefined) this.#parts.host.expect(partition);
    void Promise.resolve(before)
      .then(() => (this.#isOurs(partition) ? this.#parts.host.claim(partition) : undefined))
      .then(() => {
        this.#pending -= 1;
        this.#maybeSettled();
      });
  }

  #isOurs(partition: PartitionId): boolean {
    return !this.#stopped && this.#view?.owners[partition] === this.#parts.name;
  }

  #give(partition: PartitionId, to: NodeId | null): void {
    this.#waiting.get(partition)?.cancel();
    this.#waiting.delete(partition);
    this.#pending += 1;
    const releasing = this.#parts.host.release(partition).then(() => {
      if (this.#releasing.get(partition) === releasing) this.#releasing.delete(partition);
      this.#pending -= 1;
      if (to !== null && to !== this.#parts.self) this.#parts.released(partition, to);
      this.#maybeSettled();
    });
    this.#releasing.set(partition, releasing);
  }

  #maybeSettled(): void {
    const version = this.#view?.version ?? 0;
    if (this.#stopped || this.#pending > 0 || this.#waiting.size > 0 || version <= this.#settled) return;
    this.#settled = version;
    this.#parts.settled(version);
  }
}
