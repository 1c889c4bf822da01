import type { Clock, NodeId, Timers } from '@millrace/kernel';
import type { LeaseStore, PartitionLog } from '@millrace/partition';

export interface NodeLeaseParts {
  readonly leases: LeaseStore;
  readonly node: NodeId;
  readonly identity: string;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
  readonly onLost: (why: string) => void;
  /** The lease had run out and is held again: what happened meanwhile is not known. Called before anything can act. */
  readonly onRegained: () => void;
}

const LEASE = 'cluster';
const WAIT_MS_MAX = 500;

/**
 * This node's right to act for its partitions. Ends by this node's own monotonic clock before it ends for the store
 * (I10), so that a paused node which wakes knows that it may not speak.
 */
export class NodeLease {
  readonly #parts: NodeLeaseParts;
  #untilMs = -Infinity;
  #over = false;
  #renewing = false;

  constructor(parts: NodeLeaseParts) {
    this.#parts = parts;
  }

  get isHeld(): boolean {
    return !this.#over && this.#parts.clock.monotonicMs() < this.#untilMs;
  }

  #isOver(): boolean {
    return this.#over;
  }

  /** Waits until the lease is free or the store is there. */
  async acquire(): Promise<void> {
    const { log } = this.#parts;
    for (let announced = ''; ;) {
      const answer = await this.#ask();
      if (answer.code === 'held') {
        this.#untilMs = answer.untilMonotonicMs;
        break;
      }
      const why = answer.code === 'taken' ? `node ${answer.heldBy} holds the lease` : answer.message;
      if (why !== announced) log.warn(`waiting to take over: ${why}`);
      announced = why;
      await this.#wait(answer.code === 'taken' ? Math.min(answer.remainingMs + 1, WAIT_MS_MAX) : WAIT_MS_MAX);
    }
    this.#renewLater();
  }

  renewNow(): void {
    void this.#renew();
  }

  async release(): Promise<void> {
    this.#over = true;
    await this.#parts.leases.release(LEASE, this.#parts.node);
  }

  #ask(): ReturnType<LeaseStore['acquire']> {
    const { leases, node, identity, leaseMs } = this.#parts;
    return leases.acquire(LEASE, node, identity, leaseMs);
  }

  #renewLater(): void {
    this.#parts.timers.after(this.#parts.leaseMs / 3, () => {
      if (this.#over) return;
      void this.#renew().then(() => {
        this.#renewLater();
      });
    });
  }

  async #renew(): Promise<void> {
    if (this.#over || this.#renewing) return;
    this.#renewing = true;
    const answer = await this.#ask();
    this.#renewing = false;
    if (this.#isOver()) return;
    if (answer.code === 'held' && answer.untilMonotonicMs > this.#untilMs) {
      const lapsed = !this.isHeld;
      this.#untilMs = answer.untilMonotonicMs;
      if (lapsed) this.#parts.onRegained();
    }
    if (answer.code === 'taken') {
      this.#over = true;
      this.#parts.onLost(`node ${answer.heldBy} took the lease over`);
    } else if (answer.code === 'unavailable') {
      this.#parts.log.warn('the lease could not be renewed', { why: answer.message });
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(delayMs, resolve);
    });
  }
}
