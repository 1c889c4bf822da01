import { generation, invariant, type Generation } from '@millrace/kernel';
import { decideClaim, type OwnerMemory } from './claim-decision.ts';
import type { ClaimAnswer, ClaimFound, Commit, CommitOutcome, HeldCommit } from './commit.ts';
import { HeldCommits } from './held-commits.ts';
import type { OwnerToken } from './owner-token.ts';
import type { PartitionOwnerParts } from './partition-owner-parts.ts';

/** What of the owner's parts a tenure needs. */
export type TenureParts = Pick<
  PartitionOwnerParts<never, never, never>,
  | 'partition'
  | 'node'
  | 'store'
  | 'level'
  | 'clock'
  | 'random'
  | 'limits'
  | 'log'
  | 'mayServe'
  | 'knownGen'
  | 'placement'
>;

export type CommitContent = Pick<
  Commit,
  'writes' | 'feed' | 'diffusedTo' | 'feedFrom' | 'deadLetters' | 'settle' | 'recovering'
>;

/**
 * What came of claiming. `pendingStored`: the commit whose answer was lost is in the store now. `failed`: try again.
 * `kept`: what is in memory equals what is stored. `replayed`: it does, but for actors that may have been loaded while
 * the store lacked what was replayed. `lost`: it does not. After both everything has to be loaded again.
 */
export interface ClaimResult {
  readonly code: 'failed' | 'kept' | 'replayed' | 'lost';
  readonly pendingStored: boolean;
  readonly found: ClaimFound | null;
  /** The first commit that the store had lost and has again, if any. */
  readonly replayedFrom: number | null;
}

/**
 * One process's ownership of a partition: the token it may commit under, the number of the next commit, and the recent
 * commits for a store that lost them. It knows nothing of actors.
 */
export class Tenure {
  readonly #parts: TenureParts;
  #token: OwnerToken = { epoch: 0, uuid: '' };
  #epochSeen = 0;
  #gen: Generation = generation(0);
  /** A loss that memory told of and that is not written down yet: the generation that must begin. */
  #genOwed: Generation = generation(0);
  #recovering: Generation = generation(0);
  /** The store's run when this owner settled last. */
  #run = '';
  /** Claims of ours that were not answered: each may have raised the stored epoch by one. */
  #unanswered = 0;
  /** Whether nobody else can have claimed the partition since this owner settled last. */
  #isSole = true;
  /** Null before the first claim, and when memory is not to be trusted. */
  #held: HeldCommits | null = null;
  /** The first commit that was replayed since this owner settled last. */
  #replayedFrom: number | null = null;
  /** A settling commit whose answer was lost. */
  #unsettled: Commit | null = null;

  constructor(parts: TenureParts) {
    this.#parts = parts;
  }

  get token(): OwnerToken {
    return this.#token;
  }

  get epoch(): number {
    return this.#token.epoch;
  }

  get gen(): Generation {
    return this.#gen;
  }

  /** See {@link ClaimFound.recovering}. */
  get recovering(): Generation {
    return this.#recovering;
  }

  /** The last commit that is known to be stored. */
  get commitNo(): number {
    return this.#held?.last.commitNo ?? 0;
  }

  /** Commits up to this one are not replayed, whatever the store loses. */
  get keptTo(): number {
    return this.#held?.base ?? 0;
  }

  /** The next commit, under the present token. */
  nextCommit({ writes, deadLetters, feed, diffusedTo, feedFrom, settle, recovering }: CommitContent): Commit {
    return {
      partition: this.#parts.partition,
      token: this.#token,
      commitNo: this.commitNo + 1,
      commitId: this.#parts.random.id().slice(0, 16),
      writes,
      deadLetters,
      feed,
      diffusedTo,
      feedFrom,
      settle,
      recovering,
      memo: { sent: null },
    };
  }

  stored(commit: Commit): void {
    this.#held?.add(commit);
    this.#recovering = commit.recovering ?? this.#recovering;
  }

  /** What is in memory is not to be trusted any more: the next claim goes by the store alone. */
  forget(): void {
    this.#held = null;
    this.#unsettled = null;
  }

  /** @param pending - the one commit whose answer was lost, if any (I5). */
  async claim(pending: Commit | null): Promise<ClaimResult> {
    const claimed = await this.#parts.store.claim(this.#parts.partition, this.#parts.node, this.#epochSeen);
    if (!claimed.ok) {
      this.#unanswered += 1;
      return { code: 'failed', pendingStored: false, found: null, replayedFrom: null };
    }
    const { found, token } = claimed.value;
    if (found.epoch > Math.max(this.#token.epoch, this.#epochSeen) + this.#unanswered) this.#isSole = false;
    this.#unanswered = 0;
    this.#token = token;
    this.#epochSeen = token.epoch;
    // Let go of while it was claimed: whoever is to own it now decides what was lost, by whom it succeeds.
    if (!this.#parts.mayServe()) return { code: 'failed', pendingStored: false, found: null, replayedFrom: null };
    const memory = this.#memory(pending ?? this.#unsettled);
    const decision = decideClaim(claimed.value, memory, this.#parts.knownGen(), this.#parts.placement().precededBy);
    if (decision.kind === 'reload' || decision.kind === 'new-generation') {
      if (decision.kind === 'new-generation') {
        this.#logLoss(decision.gen, decision.why);
        this.#genOwed = decision.gen;
      }
      this.#held = new HeldCommits(this.#parts.partition, this.#parts.clock, this.#parts.limits.held, found);
      this.#unsettled = null;
      const gen = generation(Math.max(decision.gen, this.#genOwed));
      this.#recovering = found.recovering;
      this.#replayedFrom = null;
      const isNew = decision.kind === 'new-generation' || gen > decision.gen;
      const settled = await this.#settle(claimed.value, gen, isNew ? gen : null);
      if (!settled) this.forget();
      return { code: settled ? 'lost' : 'failed', pendingStored: false, found, replayedFrom: null };
    }
    if (decision.kind === 'replay') {
      const { fromCommitNo } = decision;
      this.#replayedFrom = Math.min(this.#replayedFrom ?? fromCommitNo, fromCommitNo);
      if (!(await this.#replay(fromCommitNo))) {
        return { code: 'failed', pendingStored: false, found, replayedFrom: null };
      }
    }
    if (this.#unsettled !== null && found.commitId === this.#unsettled.commitId) this.stored(this.#unsettled);
    this.#unsettled = null;
    const sent = pending === null ? null : await this.#resend(pending);
    if (sent === 'failed') return { code: 'failed', pendingStored: false, found, replayedFrom: null };
    // Decided on an actor that was loaded without what has been replayed since: it can never be stored.
    const isStale = sent === 'conflict';
    const pendingStored = sent === 'stored';
    if (pending !== null && pendingStored) this.stored(pending);
    const replayedFrom = this.#replayedFrom;
    if (!(await this.#settle(claimed.value, decision.gen, null))) {
      return { code: 'failed', pendingStored, found, replayedFrom: null };
    }
    if (isStale) return { code: 'lost', pendingStored, found, replayedFrom };
    return { code: replayedFrom === null ? 'kept' : 'replayed', pendingStored, found, replayedFrom };
  }

  /** Marks that nothing comes after the last commit. */
  async release(): Promise<void> {
    const { store, partition, placement } = this.#parts;
    await store.release(partition, this.#token, this.commitNo, placement().givenIn);
  }

  #memory(pending: Commit | null): OwnerMemory | null {
    const held = this.#held;
    if (held === null) return null;
    return {
      acknowledged: held.last,
      pending,
      gen: this.#gen,
      run: this.#run,
      isSole: this.#isSole,
      idOf: (commitNo) => held.idOf(commitNo),
      holdsFrom: (commitNo) => held.holdsFrom(commitNo),
    };
  }

  async #replay(fromCommitNo: number): Promise<boolean> {
    const commits = this.#held?.from(fromCommitNo) ?? [];
    this.#parts.log.warn('the store lost acknowledged commits; they are replayed from memory', {
      partition: this.#parts.partition,
      commits: commits.length,
    });
    for (const commit of commits) if ((await this.#resend(commit)) !== 'stored') return false;
    return true;
  }

  /** Writes down what the claim decided. Until then the store keeps the evidence that it was decided from. */
  async #settle({ run }: ClaimAnswer, gen: Generation, recovering: Generation | null): Promise<boolean> {
    this.#gen = gen;
    const settle = this.nextCommit({
      writes: [],
      deadLetters: [],
      feed: null,
      diffusedTo: null,
      feedFrom: null,
      settle: { gen, run, level: this.#parts.level },
      recovering,
    });
    if ((await this.#resend(settle)) !== 'stored') {
      this.#unsettled = settle;
      return false;
    }
    this.stored(settle);
    this.#run = run;
    this.#isSole = true;
    this.#replayedFrom = null;
    return true;
  }

  /** Sends an already decided commit under the present token; the store executes it at most once. */
  async #resend(commit: HeldCommit): Promise<'stored' | 'conflict' | 'failed'> {
    if (!this.#parts.mayServe()) return 'failed';
    const outcome = await this.#send(commit);
    if (outcome.code === 'ok' || outcome.code === 'dup') return 'stored';
    if (outcome.code === 'fenced' && outcome.heldEpoch > this.#token.epoch) {
      this.#epochSeen = Math.max(this.#epochSeen, outcome.heldEpoch);
      this.#isSole = false;
    }
    this.#parts.log.warn('a commit could not be sent again yet', { partition: this.#parts.partition, outcome });
    return outcome.code === 'conflict' ? 'conflict' : 'failed';
  }

  #send(commit: HeldCommit): Promise<CommitOutcome> {
    const { store } = this.#parts;
    if (!('sent' in commit)) return store.commit({ ...commit, token: this.#token });
    const { partition, commitNo, commitId, sent } = commit;
    invariant(store.sendAgain !== undefined, 'a store that leaves what it has sent can send it again');
    return store.sendAgain({ partition, token: this.#token, commitNo, commitId }, sent);
  }

  #logLoss(gen: Generation, why: string): void {
    this.#parts.log.error('acknowledged history was or may have been lost: a new generation begins', {
      partition: this.#parts.partition,
      gen,
      why,
    });
  }
}
