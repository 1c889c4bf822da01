import { invariant, type Result, type Timers, type UserId } from '@millrace/kernel';
import type { Claimed, FeedEntry, StoreError } from '@millrace/partition';
import type { Effect } from '../effects.ts';
import type { Delivery } from '../user/commands.ts';
import { decodeFeed, type FeedChange } from './changefeed-entry.ts';
import { UNTRACED } from '../trace/message-trace.ts';
import { planDiffusion, type Planned } from './plan.ts';

export interface DiffuserParts {
  readonly timers: Timers;
  /** See `UserChannels`. */
  readonly channels: {
    send(user: UserId, delivery: Delivery, done: () => void): void;
    flush(): void;
  };
  readFeed(afterCommitNo: number, limit: number): Promise<Result<readonly FeedEntry[], StoreError>>;
  /** Who gets what a commit changed, found out from what is stored. */
  recall(change: FeedChange): Promise<Result<readonly Planned[], unknown>>;
  /** The changefeed holds what this program cannot read: diffusion of the partition stands still. */
  failed(error: unknown): void;
  /** Everything up to this commit is in its destinations. */
  diffused(commitNo: number): void;
  /** Everything of a commit that is traced is in its destinations. */
  traced(commit: number): void;
}

const FEED_PAGE = 64;
const RETRY_MS = 200;

/**
 * Follows one partition's changefeed into the inboxes (I6).
 *
 * (D1) Deliveries leave in commit order.
 * (D2) The cursor moves past a commit when every destination of it, and of those before it, has committed: not when it
 *      was sent to.
 * (D3) After a claim without memory, what the stored cursor had not passed is read from the changefeed and delivered
 *      before anything newer. Receivers drop what they have.
 */
export class Diffuser {
  readonly #parts: DiffuserParts;
  /** Commits with something outstanding, in order: a Map keeps insertion order. */
  readonly #outstanding = new Map<number, { left: number; readonly trace: number }>();
  #newest = 0;
  #behind: { readonly commitNo: number; readonly effects: readonly Effect[]; readonly trace: number }[] | null = null;
  #run = 0;

  constructor(parts: DiffuserParts) {
    this.#parts = parts;
  }

  /** @param trace - names the commit to {@link DiffuserParts.traced}. */
  committed(effects: readonly Effect[], commitNo: number, trace = UNTRACED): void {
    if (this.#behind === null) this.#dispatch(commitNo, planDiffusion(effects), trace);
    else this.#behind.push({ commitNo, effects, trace });
  }

  /**
   * The partition was claimed. Without memory the changefeed is followed from the stored cursor, and what the store had
   * lost is followed once more: a destination may have lost it, too, and looked for it here in vain.
   */
  claimed({ diffusedTo, commitNo, memoryKept, replayed }: Claimed): void {
    if (memoryKept && !replayed) {
      // Behind what an earlier claim is still catching up with, if it is.
      this.committed([], commitNo);
      return;
    }
    this.#run += 1;
    this.#outstanding.clear();
    this.#newest = diffusedTo;
    this.#behind = [];
    void this.#resume(diffusedTo, commitNo, this.#run).catch((error: unknown) => {
      this.#parts.failed(error);
    });
  }

  /** Stops resuming: the partition is not ours any more. */
  stop(): void {
    this.#run += 1;
  }

  async #resume(after: number, through: number, run: number): Promise<void> {
    let cursor = after;
    while (cursor < through) {
      const page = await this.#insist(() => this.#parts.readFeed(cursor, FEED_PAGE), run);
      if (page === null) return;
      for (const { commitNo, data } of page) {
        // The partition serves already: what it commits meanwhile waits in `behind`.
        if (commitNo > through) break;
        const recalled: Planned[] = [];
        for (const change of decodeFeed(data)) {
          const planned = await this.#insist(() => this.#parts.recall(change), run);
          if (planned === null) return;
          recalled.push(...planned);
        }
        this.#dispatch(commitNo, recalled);
      }
      cursor = page.at(-1)?.commitNo ?? through;
    }
    const behind = this.#behind ?? [];
    this.#behind = null;
    this.#dispatch(through, []);
    for (const { commitNo, effects, trace } of behind) this.#dispatch(commitNo, planDiffusion(effects), trace);
  }

  /** Asks until there is an answer; null when the partition was lost meanwhile. */
  async #insist<T>(ask: () => Promise<Result<T, unknown>>, run: number): Promise<T | null> {
    for (;;) {
      const answer = await ask();
      if (run !== this.#run) return null;
      if (answer.ok) return answer.value;
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(RETRY_MS, resolve);
      });
      if (run !== this.#run) return null;
    }
  }

  #dispatch(commitNo: number, planned: readonly Planned[], trace = UNTRACED): void {
    invariant(commitNo >= this.#newest, 'diffusion follows the order of commits');
    this.#newest = commitNo;
    const run = this.#run;
    // One for the dispatch itself, so that the commit is not complete before all of it was sent.
    let left = 1;
    for (const { users } of planned) left += users.length;
    this.#outstanding.set(commitNo, { left, trace });
    const done = (): void => {
      if (run === this.#run) this.#done(commitNo);
    };
    for (const { delivery, users } of planned)
      for (const user of users) this.#parts.channels.send(user, delivery, done);
    if (planned.length > 0) this.#parts.channels.flush();
    done();
  }

  #done(commitNo: number): void {
    const commit = this.#outstanding.get(commitNo);
    if (commit === undefined) return;
    commit.left -= 1;
    if (commit.left > 0) return;
    this.#parts.traced(commit.trace);
    let complete = 0;
    for (const [no, { left }] of this.#outstanding) {
      if (left > 0) break;
      this.#outstanding.delete(no);
      complete = no;
    }
    if (complete > 0) this.#parts.diffused(complete);
  }
}
