export interface FeedRetentionLimits {
  /** How long a commit stays in the changefeed after it has reached its destinations, milliseconds. */
  readonly feedKeptMs: number;
  /** How many of them stay at most. */
  readonly feedKeptCommitsMax: number;
}

/** Moves of the cursor within so much of each other are remembered as one. */
const GRAINS = 60;

/**
 * How much of the changefeed stays behind the diffusion cursor: a destination that loses its end finds there what it
 * has lost. Bounded in time and number.
 */
export class FeedRetention {
  readonly #limits: FeedRetentionLimits;
  /** The cursor stood at `to` at that instant, oldest first. */
  #moves: { readonly atMs: number; readonly to: number }[] = [];
  #aged = 0;

  constructor(limits: FeedRetentionLimits) {
    this.#limits = limits;
  }

  /** The cursor has come to `to`. @returns the first commit that stays. */
  moved(to: number, nowMs: number): number {
    const { feedKeptMs, feedKeptCommitsMax } = this.#limits;
    if (nowMs - (this.#moves.at(-1)?.atMs ?? -Infinity) >= feedKeptMs / GRAINS) this.#moves.push({ atMs: nowMs, to });
    const young = this.#moves.findIndex(({ atMs }) => nowMs - atMs < feedKeptMs);
    const aged = young < 0 ? this.#moves.length : young;
    this.#aged = this.#moves[aged - 1]?.to ?? this.#aged;
    this.#moves = this.#moves.slice(aged);
    return Math.max(1, Math.min(to, this.#aged) + 1, to - feedKeptCommitsMax + 1);
  }
}
