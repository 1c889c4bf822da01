import type { Clock, ConversationId, Result, Timers } from '@millrace/kernel';

/**
 * Rolls as jobs of the cluster: some node that works jobs does each, is asked again for a while when it cannot, and takes over
 * those of a node that has ended. What is to be done follows from what is stored: a roll that is done twice, or too
 * late, finds nothing to do, and one that was lost is found again.
 */
export interface RollJobs {
  /** @returns why it may not be there. */
  addRoll(conversations: readonly ConversationId[]): Promise<Result<null, string>>;
  /** Rolls of the cluster that are still to be done; null while nobody can tell. */
  rollsWaiting(): Promise<number | null>;
}

export interface HandoverLimits {
  /** Rolls of the cluster that may wait: with more of them a node does its own (I9). */
  readonly jobsMax: number;
  /** A conversation is not handed over again for so long. */
  readonly againMs: number;
  /** A queue that does not answer, or takes nothing, is not asked again for so long: each time it may take seconds. */
  readonly restMs: number;
}

export interface RollHandoverParts {
  readonly jobs: RollJobs;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: HandoverLimits;
  /** More was written to it since it was handed over. */
  again(this: void, conversation: ConversationId): void;
}

/** Hands rolls over to the jobs of the cluster, each conversation once in a while. */
export class RollHandover {
  readonly #parts: RollHandoverParts;
  /** Being handed over, or handed over a moment ago, and whether more was written since. */
  readonly #recent = new Map<ConversationId, boolean>();
  #restsUntilMs = -Infinity;

  constructor(parts: RollHandoverParts) {
    this.#parts = parts;
  }

  /** @returns whether it comes back by itself, for it was handed over a moment ago. */
  holds(conversation: ConversationId): boolean {
    if (!this.#recent.has(conversation)) return false;
    this.#recent.set(conversation, true);
    return true;
  }

  /** @returns false when the queue does not take it, or has enough: then it is to be done here. */
  async give(conversations: readonly ConversationId[]): Promise<boolean> {
    const { timers, limits, again } = this.#parts;
    // From now on: whoever does it may look before what is written meanwhile.
    for (const conversation of conversations) this.#recent.set(conversation, false);
    if (!(await this.#isTaken(conversations))) {
      for (const conversation of conversations) this.#recent.delete(conversation);
      return false;
    }
    timers.after(limits.againMs, () => {
      for (const conversation of conversations) {
        const isMore = this.#recent.get(conversation) === true;
        this.#recent.delete(conversation);
        if (isMore) again(conversation);
      }
    });
    return true;
  }

  async #isTaken(conversations: readonly ConversationId[]): Promise<boolean> {
    const { jobs, clock, limits } = this.#parts;
    if (clock.monotonicMs() < this.#restsUntilMs) return false;
    const waiting = await jobs.rollsWaiting();
    if (waiting !== null && waiting >= limits.jobsMax) return false;
    if (waiting !== null && (await jobs.addRoll(conversations)).ok) return true;
    this.#restsUntilMs = clock.monotonicMs() + limits.restMs;
    return false;
  }
}
