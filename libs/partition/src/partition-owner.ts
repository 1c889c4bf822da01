import { generation, invariant, ok, type Generation, type PartitionId, type Result } from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import { Activations } from './activations.ts';
import { Answers } from './answers.ts';
import { readAcknowledged } from './acknowledged-read.ts';
import { answeredAtRest } from './at-rest.ts';
import type { Commit, CommitOutcome } from './commit.ts';
import {
  deadLetter,
  decideBatch,
  type DecidedBatch,
  type PartitionBatch as Batch,
  type Mail,
  type MailActivation,
  type TakenMail,
} from './decide-batch.ts';
import { DiffusionCursor } from './diffusion-cursor.ts';
import type { CommitsBefore, PartitionActor } from './partition-actor.ts';
import type { CommittedBatch, PartitionOwnerParts, Refusal } from './partition-owner-parts.ts';
import type { ActorRecord } from './partition-store.ts';
import { encodeOwnerToken } from './owner-token.ts';
import { claimRetry, RetryWait } from './retry-wait.ts';
import { Tenure } from './tenure.ts';

/**
 * Owns one partition between a claim and its release.
 *
 * (P1) At most one commit is in flight; the next batch gathers behind it, and until the store has room (group commit).
 * (P2) No reply leaves, and no effect happens, before the commit that it speaks of.
 * (P3) A batch is decided only after the previous commit was answered; a refusal restores the state before it.
 * (P4) A commit whose answer was lost is sent again with the same number and id behind a new claim (I5).
 * (P5) Without ownership (fenced by a higher epoch, or past the lease) nothing is answered from memory.
 */
export class PartitionOwner<Command, Reply, Effect> {
  readonly #parts: PartitionOwnerParts<Command, Reply, Effect>;
  readonly #tenure: Tenure;
  readonly #answers: Answers<Command, Reply>;
  readonly #activations: Activations<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>;
  #phase: 'new' | 'claiming' | 'serving' | 'stopped' = 'new';
  #accepting = false;
  #busy = false;
  #turnDue = false;
  #pending: Batch<Command, Reply, Effect> | null = null;
  readonly #cursor: DiffusionCursor;
  #cursorDue = false;
  #claimDue = false;
  #recovered = generation(0);
  /** Rises whenever memory is dropped, so that a load begun before is not used after. */
  #incarnation = 0;
  readonly #claimRetry: RetryWait;
  readonly #whenIdle: (() => void)[] = [];

  constructor(parts: PartitionOwnerParts<Command, Reply, Effect>) {
    this.#parts = parts;
    this.#tenure = new Tenure({ ...parts, mayServe: () => !this.#isStopped() && parts.mayServe() });
    this.#answers = new Answers(parts);
    const onDue = (): void => {
      this.#cursorDue = true;
      this.#schedule();
    };
    this.#cursor = new DiffusionCursor({ timers: parts.timers, limits: parts.limits, onDue });
    this.#claimRetry = new RetryWait(parts.timers, claimRetry);
    this.#activations = new Activations(parts.resting, parts.partition, parts.limits.mailboxMax, parts.timers);
  }

  get partition(): PartitionId {
    return this.#parts.partition;
  }

  get isServing(): boolean {
    return this.#phase === 'serving';
  }

  get epoch(): number {
    return this.#tenure.epoch;
  }

  get token(): string {
    return encodeOwnerToken(this.#tenure.token);
  }

  get gen(): Generation {
    return this.#tenure.gen;
  }

  /** See {@link ClaimFound.recovering}: what was not told to be {@link recovered} yet. */
  get recovering(): Generation {
    return this.#tenure.recovering === this.#recovered ? generation(0) : this.#tenure.recovering;
  }

  get commitNo(): number {
    return this.#tenure.commitNo;
  }

  /** Commits that have not reached all of their destinations; 0 while it is claimed, when that is not known yet. */
  get undiffused(): number {
    return this.isServing ? Math.max(0, this.commitNo - this.#cursor.to) : 0;
  }

  /** No changefeed entry of a later commit was trimmed. */
  get feedTrimmedTo(): number {
    return this.#cursor.trimmedTo;
  }

  get queued(): number {
    return this.#activations.queued;
  }

  /** Takes commands from here on; they wait for {@link claim}. */
  expect(): void {
    if (this.#phase === 'new') this.#accepting = true;
  }

  /** Resolves once the partition serves. Waits for a store that is away. */
  async claim(): Promise<void> {
    invariant(this.#phase === 'new', 'a partition is claimed once');
    this.#accepting = true;
    await this.#acquire();
  }

  /** Claims again, at once, after the connection to the store was lost (I5) or the lease had lapsed. */
  reclaim(): void {
    if (this.#phase === 'claiming') this.#claimRetry.wake();
    if (this.#phase !== 'serving') return;
    // The answer to a commit in flight is waited for first.
    if (this.#busy) this.#claimDue = true;
    else void this.#acquire();
  }

  /**
   * Puts a command into an actor's mailbox. `answer` is called exactly once, never before this returns.
   *
   * @param priority - `follow-up` for what an earlier commit caused: it is not refused for a changefeed that lags,
   * because it is what lets the changefeed catch up.
   */
  post(
    key: ActorKey,
    command: Command,
    answer: (outcome: Result<Reply, Refusal>) => void,
    priority: 'client' | 'follow-up',
  ): void {
    const { limits } = this.#parts;
    if (!this.#accepting) {
      this.#answers.refuseSoon(answer, 'not_owner', 'this node does not own the partition (any more)');
      return;
    }
    const lags = this.undiffused > limits.undiffusedCommitsMax;
    if (priority === 'client' && (lags || this.#activations.queued >= limits.partitionMailMax)) {
      this.#answers.refuseSoon(answer, 'overloaded', 'the partition has more to do than it may queue');
      return;
    }
    const mail = { command, answer, queuedMs: this.#parts.clock.monotonicMs() };
    const activation = this.#activations.offer(key, mail);
    if (activation === null) {
      this.#answers.refuseSoon(answer, 'overloaded', `the mailbox of ${key} is full`);
    } else if (activation.actor !== null) this.#schedule();
    else if (!activation.loading) void this.#load(activation);
  }

  /** See {@link answeredAtRest}. */
  ask(key: ActorKey, question: Command): Reply | null {
    const mayAnswer = this.isServing && !this.#claimDue && this.#parts.mayServe();
    const actor = mayAnswer ? this.#activations.atRest(key) : undefined;
    return answeredAtRest(actor, question, this.#parts.clock.nowMs(), this.#commitsBefore);
  }

  get #commitsBefore(): CommitsBefore {
    return { token: this.token, last: this.commitNo, doneTo: Math.min(this.#cursor.doneTo, this.#tenure.keptTo) };
  }

  /** Fields of an actor's record, as acknowledged; null when the actor is in memory: then it is to be asked itself. */
  readFields(key: ActorKey, fields: readonly string[]): Promise<Result<ActorRecord | null, Refusal>> {
    return readAcknowledged({
      serves: () => this.isServing && this.#parts.mayServe(),
      isInMemory: () => this.#activations.isInMemory(key),
      load: () => this.#parts.store.loadFields(this.partition, key, fields),
    });
  }

  /** Everything up to this commit has reached its destinations; stored with the next commit, or soon. */
  diffused(commitNo: number): void {
    this.#cursor.move(commitNo);
  }

  /** What was lost with the beginning of this generation has been asked for again. Stored soon. */
  recovered(gen: Generation): void {
    this.#recovered = gen;
    this.#cursorDue = true;
    this.#schedule();
  }

  /** Finishes what is queued, stores the cursor, releases with the clean-stop mark. */
  async stop(): Promise<void> {
    if (this.#phase === 'stopped') return;
    this.#accepting = false;
    if (this.#phase === 'serving') {
      if (this.#cursor.isAhead) this.#cursorDue = true;
      this.#schedule();
      if (this.#busy || this.#activations.queued > 0 || this.#cursorDue) {
        await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
      }
      this.#phase = 'stopped';
      await this.#tenure.release();
    }
    this.abandon('the node is stopping');
  }

  /** Lets go at once, without a release: another owner has it, or the node is going down hard. */
  abandon(why: string): void {
    this.#accepting = false;
    this.#phase = 'stopped';
    const refusal: Refusal = { code: 'not_owner', message: why };
    this.#dropMemory();
    const pending = this.#pending;
    this.#pending = null;
    this.#answers.refuseHandled(pending?.replies ?? [], refusal);
    this.#refuseQueued(refusal);
    // A stop that waits for the rest has nothing to wait for any more.
    this.#resolveIdle();
  }

  /** Lets go of what another owner has claimed. */
  superseded(heldEpoch: number): void {
    this.#parts.log.warn('another owner has the partition', { partition: this.partition, heldEpoch });
    this.abandon('another node owns the partition now');
    this.#parts.lost(`another node owns partition ${String(this.partition)}`);
  }

  // ------------------------------------------------------------------------------------------------ activation

  async #load(activation: MailActivation<Command, Reply, Effect>): Promise<void> {
    if (this.#phase !== 'serving') return; // Loaded when the claim is through.
    activation.loading = true;
    const incarnation = this.#incarnation;
    const record = await this.#parts.store.loadActor(this.#parts.partition, activation.key);
    activation.loading = false;
    if (!this.#activations.has(activation)) return;
    if (incarnation !== this.#incarnation) {
      void this.#load(activation);
      return;
    }
    if (!record.ok) {
      this.#refuseQueued({ code: 'unavailable', message: record.error.message }, activation);
      return;
    }
    try {
      activation.actor = this.#parts.activate(activation.key, record.value, this.#tenure.gen);
    } catch (error) {
      this.#parts.log.error('an actor could not be read from its record', {
        actor: activation.key,
        error: String(error),
      });
      const message = `the record of ${activation.key} cannot be read by this version of the server`;
      this.#refuseQueued({ code: 'poison', message }, activation);
      return;
    }
    this.#activations.makeReady(activation);
    this.#schedule();
  }

  // ------------------------------------------------------------------------------------------------ the batch

  #schedule(): void {
    if (this.#turnDue || this.#busy || this.#phase !== 'serving') return;
    this.#turnDue = true;
    const { store, timers, partition } = this.#parts;
    const turn = (): void => {
      this.#turnDue = false;
      if (!this.#busy && this.#phase === 'serving') void this.#turn();
    };
    if (store.whenRoom === undefined) timers.soon(turn);
    else store.whenRoom(partition, turn);
  }

  async #turn(): Promise<void> {
    const { limits } = this.#parts;
    if (!this.#parts.mayServe()) {
      // The cursor rides on a later commit.
      this.#cursorDue = false;
      this.#refuseQueued({ code: 'unavailable', message: 'the lease of this node has run out; it is being renewed' });
      return;
    }
    const batch = this.#decide(this.#activations.collect(limits.batchCommandsMax, limits.batchCommandsPerActorMax));
    if (batch.commit === null) {
      this.#release(batch, null);
      return;
    }
    this.#busy = true;
    this.#pending = batch;
    const outcome = await this.#parts.store.commit(batch.commit);
    this.#busy = false;
    // Abandoned while the commit was under way: it has been answered already.
    if (this.#pending !== batch) return;
    await this.#conclude(batch, batch.commit, outcome);
    if (this.#claimDue && this.isServing) await this.#acquire();
  }

  #decide(taken: readonly TakenMail<Command, Reply, Effect>[]): Batch<Command, Reply, Effect> {
    const decidedMs = this.#parts.clock.monotonicMs();
    const decided = decideBatch(taken, this.#parts.clock.nowMs(), this.#commitsBefore);
    this.#answers.setAside(decided.poison);
    const { activations, replies, effects, writes, poison } = decided;
    return { activations, replies, effects, writes, poison, commit: this.#commitOf(decided), decidedMs };
  }

  #commitOf({ writes, effects, poison }: DecidedBatch<Command, Reply, Effect>): Commit | null {
    const recovering = this.recovering < this.#tenure.recovering ? generation(0) : null;
    const isDue = this.#cursorDue && (this.#cursor.isAhead || recovering !== null);
    // Also when it is not to be moved any more: the commit that was in flight has stored it.
    this.#cursorDue = false;
    if (writes.length === 0 && poison.length === 0 && !isDue) return null;
    const deadLetters = poison.map(deadLetter);
    const feed = writes.length === 0 ? null : this.#parts.encodeFeed(effects);
    const { diffusedTo, feedFrom } = this.#cursor.pending(this.#parts.clock.monotonicMs());
    return this.#tenure.nextCommit({ writes, deadLetters, feed, diffusedTo, feedFrom, settle: null, recovering });
  }

  // ------------------------------------------------------------------------------------------------ the outcome

  async #conclude(batch: Batch<Command, Reply, Effect>, commit: Commit, outcome: CommitOutcome): Promise<void> {
    switch (outcome.code) {
      case 'ok':
      case 'dup':
        this.#tenure.stored(commit);
        this.#accepted(batch, commit, outcome.code === 'dup');
        return;
      case 'unavailable':
        this.#refusePending({ code: 'unavailable', message: outcome.message });
        this.#schedule();
        this.#settleIdle();
        return;
      case 'fenced':
        if (outcome.heldEpoch > this.epoch) this.superseded(outcome.heldEpoch);
        // A failover rolled our claim back: the memory is the better copy (decideClaim sees what is to be replayed).
        else await this.#acquire();
        return;
      case 'conflict':
        this.#parts.log.error('a commit conflicted with what is stored; memory is dropped and read again', {
          partition: this.#parts.partition,
          conflict: outcome.message,
        });
        this.#refusePending({ code: 'unavailable', message: 'the state was read again from the store; try again' });
        this.#dropMemory();
        this.#tenure.forget();
        await this.#acquire();
        return;
      case 'regressed':
      case 'unknown':
        this.#parts.log.warn('claiming again to find out what became of a commit', {
          partition: this.#parts.partition,
          code: outcome.code,
        });
        await this.#acquire();
    }
  }

  #accepted(batch: Batch<Command, Reply, Effect>, commit: Commit, again: boolean): void {
    const storedMs = this.#parts.clock.monotonicMs();
    const { commitNo } = commit;
    this.#cursor.stored(commit);
    for (const { actor } of batch.activations) actor?.settle();
    this.#pending = null;
    const { replies: handled, effects, decidedMs } = batch;
    this.#release(batch, { commitNo, epoch: this.epoch, decidedMs, storedMs, again, handled, effects });
  }

  #release(batch: Batch<Command, Reply, Effect>, committed: CommittedBatch<Command, Reply, Effect> | null): void {
    for (const { mail, reply } of batch.replies) this.#answers.give(mail, ok(reply));
    this.#parts.afterCommit(batch.effects, committed);
    this.#activations.ranDry(batch.activations);
    if (this.#activations.hasReady || this.#cursorDue) this.#schedule();
    this.#settleIdle();
  }

  /** The pending batch is known not to be stored: back to the state before it. */
  #refusePending(refusal: Refusal): void {
    const batch = this.#pending;
    this.#pending = null;
    if (batch === null) return;
    for (const { actor } of batch.activations) actor?.restore();
    this.#answers.refuseHandled(batch.replies, refusal);
    this.#activations.ranDry(batch.activations);
  }

  async #acquire(): Promise<void> {
    this.#phase = 'claiming';
    this.#busy = true;
    this.#claimDue = false;
    this.#claimRetry.reset();
    while (!(await this.#tryAcquire())) {
      if (this.#isStopped()) return;
      await this.#claimRetry.wait();
    }
    this.#phase = 'serving';
    this.#busy = false;
    for (const activation of this.#activations.awaken()) void this.#load(activation);
    this.#schedule();
    this.#settleIdle();
  }

  /** @returns whether the partition is ours and memory equals what is stored. */
  async #tryAcquire(): Promise<boolean> {
    // Without the lease, a claim would fence out whoever has it now.
    if (this.#isStopped() || !this.#parts.mayServe()) return false;
    const batch = this.#pending;
    const result = await this.#tenure.claim(batch?.commit ?? null);
    if (this.#isStopped()) return false;
    if (result.pendingStored && batch !== null && batch.commit !== null) this.#accepted(batch, batch.commit, true);
    if (result.code === 'failed') return false;
    const memoryKept = result.code !== 'lost';
    if (result.code === 'replayed') this.#dropMemory();
    if (!memoryKept) {
      this.#refusePending({ code: 'unavailable', message: 'what became of it is unknown; try again with the same id' });
      this.#dropMemory();
      const { diffusedTo: storedTo = 0, feedTrimmedTo = 0 } = result.found ?? {};
      this.#cursor.found(storedTo, this.commitNo, feedTrimmedTo);
    }
    // A destination may have asked for what it lost (see `recovering`) while the store had lost that it was to have it.
    const { replayedFrom } = result;
    const diffusedTo = replayedFrom === null ? this.#cursor.to : Math.min(this.#cursor.to, replayedFrom - 1);
    this.#cursor.followed(diffusedTo);
    this.#parts.claimed({ diffusedTo, commitNo: this.commitNo, memoryKept, replayed: replayedFrom !== null });
    return true;
  }

  #dropMemory(): void {
    this.#incarnation += 1;
    this.#activations.dropActors();
  }

  /** @param of - of all actors when it is left out. */
  #refuseQueued(refusal: Refusal, of?: MailActivation<Command, Reply, Effect>): void {
    this.#answers.refuse(of === undefined ? this.#activations.removeAll() : this.#activations.remove(of), refusal);
    this.#settleIdle();
  }

  #settleIdle(): void {
    if (this.#busy || this.#activations.queued > 0 || this.#cursorDue || this.#phase === 'claiming') return;
    this.#resolveIdle();
  }

  #isStopped = (): boolean => this.#phase === 'stopped';

  #resolveIdle(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
