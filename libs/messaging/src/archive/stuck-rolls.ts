import type { Clock, ConversationId } from '@millrace/kernel';

export interface StuckLimits {
  /** A conversation that is stuck is not tried again for so long. */
  readonly restMs: number;
  /** Of so many it is known; of the one that was stuck longest ago not any more (I9). */
  readonly conversationsMax: number;
}

export const defaultStuckLimits: StuckLimits = { restMs: 600_000, conversationsMax: 1_000 };

interface Stuck {
  readonly reason: string;
  readonly untilMs: number;
}

/** The conversations that could not be archived, and for which there is no use in trying at once. */
export class StuckRolls {
  readonly #stuck = new Map<ConversationId, Stuck>();
  readonly #limits: StuckLimits;
  readonly #clock: Pick<Clock, 'monotonicMs'>;

  constructor(limits: StuckLimits, clock: Pick<Clock, 'monotonicMs'>) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @returns whether that is news. */
  note(conversation: ConversationId, reason: string): boolean {
    const before = this.#stuck.get(conversation)?.reason;
    this.#stuck.delete(conversation);
    this.#stuck.set(conversation, { reason, untilMs: this.#clock.monotonicMs() + this.#limits.restMs });
    const [longest] = this.#stuck.keys();
    if (longest !== undefined && this.#stuck.size > this.#limits.conversationsMax) this.#stuck.delete(longest);
    return before !== reason;
  }

  /** It could be archived. */
  forget(conversation: ConversationId): void {
    this.#stuck.delete(conversation);
  }

  rests(conversation: ConversationId): boolean {
    return this.#clock.monotonicMs() < (this.#stuck.get(conversation)?.untilMs ?? -Infinity);
  }
}
