import type { Clock, ConversationId, Result } from '@millrace/kernel';
import type { PartitionLog } from '@millrace/partition';
import { controlOf } from '../diffuse/control-of.ts';
import type { Appended, Effect } from '../effects.ts';

/** Jobs that look at a conversation at a time: see `Retention.expire`. */
export interface ExpiryJobs {
  /** One for a conversation and a time, however often it is added. @returns why it may not be there. */
  addExpiry(conversation: ConversationId, dueAt: number): Promise<Result<null, string>>;
}

export interface LifetimesParts {
  readonly jobs: ExpiryJobs;
  readonly clock: Clock;
  readonly log: PartitionLog;
}

const STEP_MS_MIN = 1_000;
const STEP_MS_MAX = 600_000;
/** Conversations of which it is remembered for when they have a job; of others it is added once more (I9). */
const REMEMBERED_MAX = 10_000;

/** How much longer than its lifetime a message may stay: a tenth, from a second to ten minutes. */
export const lifetimeStepMs = (lifetimeMs: number): number =>
  Math.max(STEP_MS_MIN, Math.min(STEP_MS_MAX, Math.floor(lifetimeMs / 10)));

/** When what is said now is looked at: the end of the step in which its lifetime ends, the same for all of that step. */
export function expiryTime(nowMs: number, lifetimeMs: number): number {
  const stepMs = lifetimeStepMs(lifetimeMs);
  return (Math.floor((nowMs + lifetimeMs) / stepMs) + 1) * stepMs;
}

/**
 * Sees to it that messages of conversations with a lifetime have somebody who looks at them when it ends: one job for all
 * of a conversation that end within a step, not one for each. A job that was lost is made up for by the hourly round of the
 * owner's node (`Retention`).
 */
export class Lifetimes {
  readonly #parts: LifetimesParts;
  readonly #lastDue = new Map<ConversationId, number>();

  constructor(parts: LifetimesParts) {
    this.#parts = parts;
  }

  told(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.e === 'appended' && effect.lifetimeMs !== undefined) this.#appended(effect, effect.lifetimeMs);
    }
  }

  #appended({ facts: { conversation }, entries }: Appended, lifetimeMs: number): void {
    const nowMs = this.#parts.clock.nowMs();
    // What is old already goes at once when there is a lifetime from now on.
    const isNew = entries.some((entry) => controlOf(entry)?.control === 'settings');
    if (isNew) this.#add(conversation, nowMs);
    const dueAt = expiryTime(nowMs, lifetimeMs);
    if (this.#lastDue.get(conversation) === dueAt) return;
    this.#lastDue.delete(conversation);
    this.#lastDue.set(conversation, dueAt);
    if (this.#lastDue.size > REMEMBERED_MAX) {
      const [oldest] = this.#lastDue.keys();
      if (oldest !== undefined) this.#lastDue.delete(oldest);
    }
    this.#add(conversation, dueAt);
  }

  #add(conversation: ConversationId, dueAt: number): void {
    void this.#parts.jobs.addExpiry(conversation, dueAt).then((added) => {
      if (added.ok) return;
      // The next message asks again.
      this.#lastDue.delete(conversation);
      this.#parts.log.warn('messages may disappear an hour late', { conversation, error: added.error });
    });
  }
}
