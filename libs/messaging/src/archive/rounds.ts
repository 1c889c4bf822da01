import type { ConversationId, Timers } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey } from '@millrace/timeline';
import { EntriesMissing } from '../sync/read-messages.ts';

export interface RoundLimits {
  /** When the first round begins, and how long after each one the next. */
  readonly firstMs: number;
  readonly everyMs: number;
  /** Between two pages, so that a round is no load. */
  readonly pauseMs: number;
}

export interface RoundsParts {
  readonly limits: RoundLimits;
  readonly timers: Timers;
  /** Rejects with {@link StoreUnavailable}. */
  pages(this: void): AsyncIterable<readonly ActorKey[]>;
  /** At one conversation at a time. Rejects with {@link StoreUnavailable}. */
  look(this: void, conversation: ConversationId): Promise<void>;
  /** Something of this conversation cannot be read: the round goes on with the next one. */
  broken(this: void, conversation: ConversationId, reason: string): void;
}

/** Goes through conversations, now and then, page by page. */
export class Rounds {
  readonly #parts: RoundsParts;
  #isStopped = false;
  #isUnderWay = false;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
    this.#later(parts.limits.firstMs);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Begins one, unless one is under way. Ends early where the store cannot be asked: the next one comes. */
  async go(): Promise<void> {
    if (this.#isUnderWay || this.#isStopped) return;
    this.#isUnderWay = true;
    try {
      for await (const actors of this.#parts.pages()) {
        for (const actor of actors) {
          if (this.#isOver()) return;
          await this.#look(actor.slice(2) as ConversationId);
        }
        await this.#pause();
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    } finally {
      this.#isUnderWay = false;
    }
  }

  async #look(conversation: ConversationId): Promise<void> {
    try {
      await this.#parts.look(conversation);
    } catch (error) {
      // Entries of this one alone are missing, where others may be read.
      if (error instanceof StoreUnavailable && !(error instanceof EntriesMissing)) throw error;
      this.#parts.broken(conversation, error instanceof Error ? error.message : String(error));
    }
  }

  #isOver(): boolean {
    return this.#isStopped;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(this.#parts.limits.pauseMs, resolve);
    });
  }

  #later(afterMs: number): void {
    this.#parts.timers.after(afterMs, () => {
      if (this.#isStopped) return;
      void this.go().then(() => {
        this.#later(this.#parts.limits.everyMs);
      });
    });
  }
}
