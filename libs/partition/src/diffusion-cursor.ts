import type { Timers } from '@millrace/kernel';
import type { Commit } from './commit.ts';
import { FeedRetention, type FeedRetentionLimits } from './feed-retention.ts';

export interface DiffusionCursorParts {
  readonly timers: Timers;
  readonly limits: FeedRetentionLimits & {
    /** How long a moved cursor may wait for a commit to ride on, milliseconds. */
    readonly cursorIdleMs: number;
  };
  /** A commit of its own is due, for there was no other. */
  onDue(): void;
}

/**
 * How far a partition's changefeed has reached its destinations, here and as it is stored.
 *
 * (D1) A commit that has nothing in the changefeed is passed, but is no reason for another commit: otherwise each that
 *      stores the cursor would call for the next one, and a partition at rest would go on writing for ever.
 */
export class DiffusionCursor {
  readonly #parts: DiffusionCursorParts;
  #retention: FeedRetention;
  #to = 0;
  #stored = 0;
  /** As {@link to}, but behind a replay from where it is followed up once more. */
  #followed = 0;
  /** The last commit that has, or may have, something in the changefeed. */
  #fed = 0;
  /** The changefeed was trimmed up to before this commit. */
  #keptFrom = 1;
  #isStoreTimed = false;
  #isTrimTimed = false;

  constructor(parts: DiffusionCursorParts) {
    this.#parts = parts;
    this.#retention = new FeedRetention(parts.limits);
  }

  /** Everything up to this commit is in its destinations. */
  get to(): number {
    return this.#to;
  }

  /** What lies up to this commit is not followed up again, unless it is replayed. */
  get doneTo(): number {
    return Math.min(this.#stored, this.#followed);
  }

  /** No changefeed entry of a later commit was trimmed: who has followed it up to there has missed nothing. */
  get trimmedTo(): number {
    return this.#keptFrom - 1;
  }

  /** Whether it has moved since it was stored. */
  get isAhead(): boolean {
    return this.#to > this.#stored;
  }

  /** Everything up to this commit has reached its destinations. Stored with the next commit, or soon. */
  move(commitNo: number): void {
    this.#followed = commitNo;
    if (commitNo <= this.#to) return;
    this.#to = commitNo;
    this.#storeSoon();
  }

  /** What the next commit stores of it. */
  pending(nowMs: number): Pick<Commit, 'diffusedTo' | 'feedFrom'> {
    if (!this.isAhead) return { diffusedTo: null, feedFrom: null };
    // Behind the last commit that has anything there, nothing is trimmed: so a follower sees that it has missed nothing.
    const from = Math.min(this.#retention.moved(this.#to, nowMs), this.#fed + 1);
    this.#keptFrom = Math.max(this.#keptFrom, from);
    return { diffusedTo: this.#to, feedFrom: this.#keptFrom };
  }

  /** The commit is in. */
  stored({ commitNo, diffusedTo, feed }: Pick<Commit, 'commitNo' | 'diffusedTo' | 'feed'>): void {
    if (feed !== null) this.#fed = commitNo;
    if (diffusedTo !== null) this.#stored = diffusedTo;
    this.#trimLater();
  }

  /**
   * A claim without memory found it stored there, and the partition at that commit.
   *
   * @param feedTrimmedTo - see `ClaimFound`.
   */
  found(diffusedTo: number, commitNo: number, feedTrimmedTo: number | null): void {
    this.#to = diffusedTo;
    this.#stored = diffusedTo;
    this.#fed = commitNo;
    this.#keptFrom = (feedTrimmedTo ?? diffusedTo) + 1;
    this.#retention = new FeedRetention(this.#parts.limits);
  }

  /** After a claim, what is behind this commit is followed up, also what had been before. */
  followed(diffusedTo: number): void {
    this.#followed = diffusedTo;
  }

  #storeSoon(): void {
    const { timers, limits } = this.#parts;
    // What it has passed since it was stored, if that is anything that destinations had to get.
    const isOwed = (): boolean => this.isAhead && this.#stored < this.#fed;
    if (this.#isStoreTimed || !isOwed()) return;
    this.#isStoreTimed = true;
    timers.after(limits.cursorIdleMs, () => {
      this.#isStoreTimed = false;
      if (isOwed()) this.#parts.onDue();
    });
  }

  /** What is kept of the changefeed is trimmed when it is old enough, also when nothing else is stored any more. */
  #trimLater(): void {
    const { timers, limits } = this.#parts;
    const keepsAny = (): boolean => this.#keptFrom <= this.#fed;
    if (this.#isTrimTimed || !keepsAny()) return;
    this.#isTrimTimed = true;
    timers.after(limits.feedKeptMs, () => {
      this.#isTrimTimed = false;
      if (!keepsAny()) return;
      if (this.isAhead) this.#parts.onDue();
      else this.#trimLater();
    });
  }
}
