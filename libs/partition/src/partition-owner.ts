import type { RestingActors } from '@millrace/actor';
import {
  err,
  generation,
  invariant,
  ok,
  utf8,
  type Clock,
  type Generation,
  type NodeId,
  type PartitionId,
  type Random,
  type Result,
  type Timers,
} from '@millrace/kernel';
import type { ActorKey } from '@millrace/timeline';
import { Activations, type Activation, type Taken } from './activations.ts';
import { decideClaim } from './claim-decision.ts';
import type { AckLevel, ActorWrite, Commit, CommitOutcome } from './commit.ts';
import { HeldCommits, type HeldLimits } from './held-commits.ts';
import type { OwnerToken } from './owner-token.ts';
import type { Handled, PartitionActor } from './partition-actor.ts';
import type { ActorRecord, PartitionStore } from './partition-store.ts';

export interface PartitionLimits {
  /** Commands in one commit: about 200 keeps a commit near 1 ms of Redis. */
  readonly batchCommandsMax: number;
  /** Commands of one actor in one commit, so that a busy one does not starve the others. */
  readonly batchCommandsPerActorMax: number;
  /** Commands waiting for one actor. */
  readonly mailboxMax: number;
  /** Commands waiting in the whole partition. */
  readonly partitionMailMax: number;
  /** Commits that followers of the changefeed have not finished with: above it new commands are refused. */
  readonly undiffusedCommitsMax: number;
  readonly held: HeldLimits;
  /** How long a moved diffusion cursor may wait for a commit to ride on. */
  readonly cursorIdleMs: number;
}

export const defaultPartitionLimits: PartitionLimits = {
  batchCommandsMax: 200,
  batchCommandsPerActorMax: 64,
  mailboxMax: 2_048,
  partitionMailMax: 8_192,
  undiffusedCommitsMax: 4_096,
  held: { ageMsMax: 10_000, bytesMax: 2 * 1024 * 1024 },
  cursorIdleMs: 1_000,
};

/** Why a command was not decided, or its outcome cannot be told. Nothing of it may be assumed to have happened. */
export interface Refusal {
  readonly code: 'overloaded' | 'unavailable' | 'not_owner' | 'poison';
  readonly message: string;
}

export interface PartitionLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface PartitionOwnerParts<Command, Reply, Effect> {
  readonly partition: PartitionId;
  readonly node: NodeId;
  readonly store: PartitionStore;
  readonly level: AckLevel;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: PartitionLimits;
  readonly resting: RestingActors<ActorKey, PartitionActor<Command, Reply, Effect>>;
  readonly log: PartitionLog;
  activate(key: ActorKey, record: ActorRecord, gen: Generation): PartitionActor<Command, Reply, Effect>;
  /** The changefeed entry for what a batch did, null when no follower needs to know. */
  encodeFeed(effects: readonly Effect[]): Uint8Array | null;
  /** Called once for each commit, in order, after its replies. `commitNo` is null for effects without a commit. */
  afterCommit(effects: readonly Effect[], commitNo: number | null): void;
  /** Called after each claim, before anything new is decided: the commits after `diffusedTo` are to be followed up. */
  claimed(claim: { readonly diffusedTo: number; readonly commitNo: number; readonly memoryKept: boolean }): void;
  /** Whether an actor lives in this partition. */
  owns(this: void, key: ActorKey): boolean;
  /** Whether the node's lease still holds on its own clock. */
  mayServe(): boolean;
}

interface Mail<Command, Reply> {
  readonly command: Command;
  readonly answer: (outcome: Result<Reply, Refusal>) => void;
}

type Active<Command, Reply, Effect> = Activation<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>;

interface Batch<Command, Reply, Effect> {
  readonly activations: readonly Active<Command, Reply, Effect>[];
  readonly replies: readonly { readonly mail: Mail<Command, Reply>; readonly reply: Reply }[];
  readonly effects: readonly Effect[];
  readonly commit: Commit | null;
}

/** What is kept of a poison message, for people: bounded, whatever the command held. */
function deadLetter(actor: ActorKey, error: unknown, command: unknown): Uint8Array {
  return utf8(JSON.stringify({ actor, error: String(error), command: JSON.stringify(command).slice(0, 4_096) }));
}

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 1_000;

/**
 * Owns one partition between a claim and its release.
 *
 * (P1) At most one commit is in flight; the next batch gathers behind it (group commit).
 * (P2) No reply leaves, and no effect happens, before the commit that it speaks of.
 * (P3) A batch is decided only after the previous commit was answered; a refusal restores the state before it.
 * (P4) A commit whose answer was lost is sent again with the same number and id behind a new claim (I5).
 * (P5) Without ownership (fenced by a higher epoch, or past the lease) nothing is answered from memory.
 */
export class PartitionOwner<Command, Reply, Effect> {
  readonly #parts: PartitionOwnerParts<Command, Reply, Effect>;
  readonly #activations: Activations<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>;
  #phase: 'new' | 'claiming' | 'serving' | 'stopped' = 'new';
  #accepting = false;
  #busy = false;
  #turnDue = false;
  #token: OwnerToken = { epoch: 0, uuid: '' };
  #epochSeen = 0;
  #gen: Generation = generation(0);
  #held: HeldCommits | null = null;
  #pending: Batch<Command, Reply, Effect> | null = null;
  #diffusedTo = 0;
  #diffusedStored = 0;
  #cursorTimer = false;
  #cursorDue = false;
  /** Rises whenever memory is dropped, so that a load begun before is not used after. */
  #incarnation = 0;
  #whenIdle: (() => void)[] = [];

  constructor(parts: PartitionOwnerParts<Command, Reply, Effect>) {
    this.#parts = parts;
    this.#activations = new Activations(parts.resting, parts.limits.mailboxMax);
  }

  get partition(): PartitionId {
    return this.#parts.partition;
  }

  get isServing(): boolean {
    return this.#phase === 'serving';
  }

  get epoch(): number {
    return this.#token.epoch;
  }

  get gen(): Generation {
    return this.#gen;
  }

  get commitNo(): number {
    return this.#held?.last.commitNo ?? 0;
  }

  get queued(): number {
    return this.#activations.queued;
  }

  /** Resolves once the partition serves. Waits for a store that is away. */
  async claim(): Promise<void> {
    invariant(this.#phase === 'new', 'a partition is claimed once');
    this.#accepting = true;
    await this.#acquire();
  }

  /** Claims again, after the connection to the store was lost (I5) or the lease had lapsed. */
  reclaim(): void {
    if (this.#phase !== 'serving') return;
    if (this.#busy) return; // The commit in flight will be answered `unknown` or `fenced`, which claims again.
    void this.#acquire();
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
      this.#refuseSoon(answer, { code: 'not_owner', message: 'this node does not own the partition (any more)' });
      return;
    }
    const lags = this.commitNo - this.#diffusedTo > limits.undiffusedCommitsMax;
    if (priority === 'client' && (lags || this.#activations.queued >= limits.partitionMailMax)) {
      this.#refuseSoon(answer, { code: 'overloaded', message: 'the partition has more to do than it may queue' });
      return;
    }
    const activation = this.#activations.offer(key, { command, answer });
    if (activation === null) {
      this.#refuseSoon(answer, { code: 'overloaded', message: `the mailbox of ${key} is full` });
    } else if (activation.actor !== null) {
      this.#schedule();
    } else if (!activation.loading) {
      void this.#load(activation);
    }
  }

  /** Everything up to this commit has reached its destinations; stored with the next commit, or soon. */
  diffused(commitNo: number): void {
    if (commitNo <= this.#diffusedTo) return;
    this.#diffusedTo = commitNo;
    if (this.#cursorTimer) return;
    this.#cursorTimer = true;
    this.#parts.timers.after(this.#parts.limits.cursorIdleMs, () => {
      this.#cursorTimer = false;
      if (this.#diffusedTo <= this.#diffusedStored) return;
      this.#cursorDue = true;
      this.#schedule();
    });
  }

  /** Finishes what is queued, stores the cursor, releases with the clean-stop mark. */
  async stop(): Promise<void> {
    if (this.#phase === 'stopped') return;
    this.#accepting = false;
    if (this.#phase === 'serving') {
      if (this.#diffusedTo > this.#diffusedStored) this.#cursorDue = true;
      this.#schedule();
      if (this.#busy || this.#activations.queued > 0 || this.#cursorDue) {
        await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
      }
      this.#phase = 'stopped';
      await this.#parts.store.release(this.#parts.partition, this.#token);
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
    for (const { mail } of pending?.replies ?? []) this.#answer(mail, err(refusal));
    this.#refuseQueued(refusal);
  }

  // ------------------------------------------------------------------------------------------------ activation

  async #load(activation: Active<Command, Reply, Effect>): Promise<void> {
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
      this.#refuseAll(this.#activations.remove(activation), { code: 'unavailable', message: record.error.message });
      this.#settleIdle();
      return;
    }
    activation.actor = this.#parts.activate(activation.key, record.value, this.#gen);
    this.#activations.makeReady(activation);
    this.#schedule();
  }

  // ------------------------------------------------------------------------------------------------ the batch

  #schedule(): void {
    if (this.#turnDue || this.#busy || this.#phase !== 'serving') return;
    this.#turnDue = true;
    this.#parts.timers.soon(() => {
      this.#turnDue = false;
      if (!this.#busy && this.#phase === 'serving') void this.#turn();
    });
  }

  async #turn(): Promise<void> {
    const { limits } = this.#parts;
    if (!this.#parts.mayServe()) {
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
  }

  #decide(
    taken: readonly Taken<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>[],
  ): Batch<Command, Reply, Effect> {
    const activations = [...new Set(taken.map(({ activation }) => activation))];
    const poison = new Set<Mail<Command, Reply>>();
    const deadLetters: Uint8Array[] = [];
    for (;;) {
      const replies: { mail: Mail<Command, Reply>; reply: Reply }[] = [];
      const effects: Effect[] = [];
      const thrown = this.#handleAll(taken, poison, replies, effects);
      if (thrown === null) {
        const writes: ActorWrite[] = [];
        for (const { actor } of activations) {
          const write = actor?.pendingWrite() ?? null;
          if (write !== null) writes.push(write);
        }
        return { activations, replies, effects, commit: this.#commitOf(writes, effects, deadLetters) };
      }
      for (const { actor } of activations) actor?.restore();
      poison.add(thrown.mail);
      deadLetters.push(deadLetter(thrown.key, thrown.error, thrown.mail.command));
      this.#parts.log.error('a handler threw; its command is refused and kept as a dead letter', {
        partition: this.#parts.partition,
        actor: thrown.key,
        error: thrown.error instanceof Error ? (thrown.error.stack ?? thrown.error.message) : String(thrown.error),
      });
      this.#answer(
        thrown.mail,
        err({ code: 'poison', message: 'this command hit a defect of the server; it was set aside' }),
      );
    }
  }

  #handleAll(
    taken: readonly Taken<PartitionActor<Command, Reply, Effect>, Mail<Command, Reply>>[],
    poison: ReadonlySet<Mail<Command, Reply>>,
    replies: { mail: Mail<Command, Reply>; reply: Reply }[],
    effects: Effect[],
  ): { readonly key: ActorKey; readonly mail: Mail<Command, Reply>; readonly error: unknown } | null {
    const nowMs = this.#parts.clock.nowMs();
    for (const { activation, mail } of taken) {
      if (poison.has(mail)) continue;
      invariant(activation.actor !== null, 'only a loaded actor is ready');
      let handled: Handled<Reply, Effect>;
      try {
        handled = activation.actor.handle(mail.command, nowMs);
      } catch (error) {
        return { key: activation.key, mail, error };
      }
      replies.push({ mail, reply: handled.reply });
      for (const effect of handled.effects) effects.push(effect);
    }
    return null;
  }

  #commitOf(
    writes: readonly ActorWrite[],
    effects: readonly Effect[],
    deadLetters: readonly Uint8Array[],
  ): Commit | null {
    const moveCursor = this.#diffusedTo > this.#diffusedStored;
    if (writes.length === 0 && deadLetters.length === 0 && !(this.#cursorDue && moveCursor)) return null;
    this.#cursorDue = false;
    return this.#commit({
      writes,
      deadLetters,
      feed: writes.length === 0 ? null : this.#parts.encodeFeed(effects),
      diffusedTo: moveCursor ? this.#diffusedTo : null,
      settle: null,
    });
  }

  #commit(content: Pick<Commit, 'writes' | 'deadLetters' | 'feed' | 'diffusedTo' | 'settle'>): Commit {
    return {
      partition: this.#parts.partition,
      token: this.#token,
      commitNo: this.commitNo + 1,
      commitId: this.#parts.random.id().slice(0, 16),
      ...content,
    };
  }

  // ------------------------------------------------------------------------------------------------ the outcome

  async #conclude(batch: Batch<Command, Reply, Effect>, commit: Commit, outcome: CommitOutcome): Promise<void> {
    switch (outcome.code) {
      case 'ok':
      case 'dup':
        this.#accepted(batch, commit);
        return;
      case 'unavailable':
        this.#refusePending({ code: 'unavailable', message: outcome.message });
        this.#schedule();
        this.#settleIdle();
        return;
      case 'fenced':
        if (outcome.heldEpoch > this.#token.epoch) {
          this.#parts.log.warn('another owner has the partition', {
            partition: this.#parts.partition,
            heldEpoch: outcome.heldEpoch,
          });
          this.abandon('another node owns the partition now');
          return;
        }
        // A failover rolled our claim back: the memory is the better copy (decideClaim sees what is to be replayed).
        await this.#acquire();
        return;
      case 'conflict':
        this.#parts.log.error('a commit conflicted with what is stored; memory is dropped and read again', {
          partition: this.#parts.partition,
          conflict: outcome.message,
        });
        this.#refusePending({ code: 'unavailable', message: 'the state was read again from the store; try again' });
        this.#dropMemory();
        this.#held = null;
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

  #accepted(batch: Batch<Command, Reply, Effect>, commit: Commit): void {
    this.#held?.add(commit);
    if (commit.diffusedTo !== null) this.#diffusedStored = commit.diffusedTo;
    for (const { actor } of batch.activations) actor?.settle();
    this.#pending = null;
    this.#release(batch, commit.commitNo);
  }

  #release(batch: Batch<Command, Reply, Effect>, commitNo: number | null): void {
    for (const { mail, reply } of batch.replies) this.#answer(mail, ok(reply));
    this.#parts.afterCommit(batch.effects, commitNo);
    for (const activation of batch.activations) this.#activations.rest(activation);
    if (this.#activations.hasReady || this.#cursorDue) this.#schedule();
    this.#settleIdle();
  }

  /** The pending batch is known not to be stored: back to the state before it. */
  #refusePending(refusal: Refusal): void {
    const batch = this.#pending;
    this.#pending = null;
    if (batch === null) return;
    for (const { actor } of batch.activations) actor?.restore();
    for (const { mail } of batch.replies) this.#answer(mail, err(refusal));
  }

  // ------------------------------------------------------------------------------------------------ the claim

  async #acquire(): Promise<void> {
    this.#phase = 'claiming';
    this.#busy = true;
    for (let retryMs = RETRY_MS_MIN; ; retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)) {
      const done = await this.#tryAcquire();
      // `abandon` may have come in between.
      if ((this.#phase as string) === 'stopped') return;
      if (done) break;
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(retryMs, resolve);
      });
      if ((this.#phase as string) === 'stopped') return;
    }
    this.#phase = 'serving';
    this.#busy = false;
    for (const activation of this.#activations.awaken()) void this.#load(activation);
    this.#schedule();
    this.#settleIdle();
  }

  /** @returns whether the partition is ours and memory equals what is stored. */
  async #tryAcquire(): Promise<boolean> {
    const { store, partition, node } = this.#parts;
    const claimed = await store.claim(partition, node, this.#epochSeen);
    if (!claimed.ok) return false;
    const answer = claimed.value;
    this.#token = answer.token;
    this.#epochSeen = answer.token.epoch;
    const held = this.#held;
    const pendingCommit = this.#pending?.commit ?? null;
    const decision = decideClaim(
      answer,
      held === null
        ? null
        : {
            acknowledged: held.last,
            pending: pendingCommit,
            gen: this.#gen,
            idOf: (commitNo) => held.idOf(commitNo),
            holdsFrom: (commitNo) => held.holdsFrom(commitNo),
          },
    );
    const memoryKept = decision.kind === 'resume' || decision.kind === 'replay';
    if (decision.kind === 'replay') {
      const replayed = held?.from(decision.fromCommitNo) ?? [];
      this.#parts.log.warn('the store lost acknowledged commits; they are replayed from memory', {
        partition,
        commits: replayed.length,
      });
      for (const commit of replayed) if (!(await this.#resend(commit))) return false;
    }
    if (memoryKept && this.#pending !== null && pendingCommit !== null) {
      if (!(await this.#resend(pendingCommit))) return false;
      this.#accepted(this.#pending, pendingCommit);
    }
    if (!memoryKept) {
      if (decision.kind === 'new-generation') {
        this.#parts.log.error('acknowledged history was or may have been lost: a new generation begins', {
          partition,
          gen: decision.gen,
          why: decision.why,
        });
      }
      this.#refusePending({
        code: 'unavailable',
        message: 'what became of this is not known; try again with the same id',
      });
      this.#dropMemory();
      this.#held = new HeldCommits(this.#parts.clock, this.#parts.limits.held, answer.found);
      this.#diffusedTo = answer.found.diffusedTo;
      this.#diffusedStored = answer.found.diffusedTo;
    }
    this.#gen = decision.gen;
    const settle = this.#commit({
      writes: [],
      deadLetters: [],
      feed: null,
      diffusedTo: null,
      settle: { gen: decision.gen, run: answer.run, level: this.#parts.level },
    });
    if (!(await this.#resend(settle))) {
      // What the settling commit came to is not known; the next claim finds out from the commit number alone.
      if (!memoryKept) this.#held = null;
      return false;
    }
    this.#held?.add(settle);
    this.#parts.claimed({ diffusedTo: this.#diffusedTo, commitNo: this.commitNo, memoryKept });
    return true;
  }

  /** Sends an already decided commit under the present token. */
  async #resend(commit: Commit): Promise<boolean> {
    const outcome = await this.#parts.store.commit({ ...commit, token: this.#token });
    if (outcome.code === 'ok' || outcome.code === 'dup') return true;
    if (outcome.code === 'fenced') this.#epochSeen = Math.max(this.#epochSeen, outcome.heldEpoch);
    this.#parts.log.warn('a commit could not be sent again yet', { partition: this.#parts.partition, outcome });
    return false;
  }

  // ------------------------------------------------------------------------------------------------ letting go

  #dropMemory(): void {
    this.#incarnation += 1;
    this.#activations.dropActors(this.#parts.owns);
  }

  #refuseQueued(refusal: Refusal): void {
    this.#refuseAll(this.#activations.removeAll(), refusal);
    this.#settleIdle();
  }

  #refuseAll(mails: readonly Mail<Command, Reply>[], refusal: Refusal): void {
    for (const mail of mails) this.#answer(mail, err(refusal));
  }

  #refuseSoon(answer: (outcome: Result<Reply, Refusal>) => void, refusal: Refusal): void {
    this.#parts.timers.soon(() => {
      answer(err(refusal));
    });
  }

  #answer(mail: Mail<Command, Reply>, outcome: Result<Reply, Refusal>): void {
    try {
      mail.answer(outcome);
    } catch (error) {
      this.#parts.log.error('an answer could not be taken', { partition: this.#parts.partition, error: String(error) });
    }
  }

  #settleIdle(): void {
    if (this.#busy || this.#activations.queued > 0 || this.#cursorDue || this.#phase === 'claiming') return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}
