import type { Commit } from './commit.ts';
import { FeedRetention, type FeedRetentionLimits } from './feed-retention.ts';

/** How far a partition's changefeed has reached its destinations, here and as it is stored. */
export class DiffusionCursor {
  readonly #limits: FeedRetentionLimits;
  #retention: FeedRetention;
  #to = 0;
  #stored = 0;

  constructor(limits: FeedRetentionLimits) {
    this.#limits = limits;
    this.#retention = new FeedRetention(limits);
  }

  /** Everything up to this commit is in its destinations. */
  get to(): number {
    return this.#to;
  }

  /** Whether it has moved since it was stored. */
  get isAhead(): boolean {
    return this.#to > this.#stored;
  }

  /** @returns whether it moved. */
  move(commitNo: number): boolean {
    if (commitNo <= this.#to) return false;
    this.#to = commitNo;
    return true;
  }

  /** What the next commit stores of it. */
  pending(nowMs: number): Pick<Commit, 'diffusedTo' | 'feedFrom'> {
    if (!this.isAhead) return { diffusedTo: null, feedFrom: null };
    return { diffusedTo: this.#to, feedFrom: this.#retention.moved(this.#to, nowMs) };
  }

  stored({ diffusedTo }: Pick<Commit, 'diffusedTo'>): void {
    if (diffusedTo !== null) this.#stored = diffusedTo;
  }

  /** A claim without memory found it stored there. */
  found(diffusedTo: number): void {
    this.#to = diffusedTo;
    this.#stored = diffusedTo;
    this.#retention = new FeedRetention(this.#limits);
  }
}
