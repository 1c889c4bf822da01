import type { Tiers } from '@millrace/archive';
import { sequenceId, type Clock, type ConversationId, type Timers } from '@millrace/kernel';
import type { HotTimelines } from '@millrace/timeline';
import { Rounds, type RoundLimits } from './rounds.ts';

export type SweepLimits = RoundLimits;

export const defaultSweepLimits: SweepLimits = { firstMs: 30_000, everyMs: 3_600_000, pauseMs: 20 };

/** What stays hot of a conversation. */
export interface HotBounds {
  readonly hotEntries: number;
  readonly chunkEntries: number;
  /** Entries stay for so long at most, milliseconds of wall time. */
  readonly hotMs: number;
}

export interface SweeperParts {
  readonly hot: HotTimelines;
  readonly limits: SweepLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  bounds(this: void): HotBounds;
  /** Where a conversation stands, without bringing it into memory; null when it does not live here. */
  tiers(this: void, conversation: ConversationId): Promise<Tiers | null>;
  /** When an entry was sequenced, wall time; null when it cannot be read. Rejects with StoreUnavailable. */
  atOf(this: void, conversation: ConversationId, tiers: Tiers, seq: number): Promise<number | null>;
  /** It has something to archive. */
  found(this: void, conversation: ConversationId): void;
  /** Its entries cannot be read, and so it cannot be archived. */
  broken(this: void, conversation: ConversationId, reason: string): void;
}

/**
 * Goes through all conversations that have something hot, now and then. Where nothing is said any more, nobody else notices
 * that entries are old; and what was to be archived when a node ended was forgotten with it.
 */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #rounds: Rounds;

  constructor(parts: SweeperParts) {
    const { hot, limits, timers } = parts;
    this.#parts = parts;
    this.#rounds = new Rounds({
      ...{ limits, timers, broken: parts.broken },
      pages: () => hot.conversations(),
      look: (conversation) => this.#look(conversation),
    });
  }

  stop(): void {
    this.#rounds.stop();
  }

  /** Sweeps, unless it does already. */
  sweep(): Promise<void> {
    return this.#rounds.go();
  }

  async #look(conversation: ConversationId): Promise<void> {
    const tiers = await this.#parts.tiers(conversation);
    if (tiers !== null && (await this.#isDue(conversation, tiers))) this.#parts.found(conversation);
  }

  async #isDue(conversation: ConversationId, tiers: Tiers): Promise<boolean> {
    const { hotEntries, chunkEntries, hotMs } = this.#parts.bounds();
    const { head, archivedTo } = tiers;
    const hot = head.seq - archivedTo;
    if (hot <= 0) return false;
    if (hot >= hotEntries + chunkEntries) return true;
    const oldest = await this.#parts.atOf(conversation, tiers, sequenceId(archivedTo + 1));
    return oldest !== null && oldest < this.#parts.clock.nowMs() - hotMs;
  }
}
