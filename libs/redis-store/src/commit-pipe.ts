import { Slabs, type Clock, type PartitionId, type Timers } from '@millrace/kernel';
import { commitFault, type Commit, type CommitOutcome, type OwnerToken, type SentCommit } from '@millrace/partition';
import { Cluster } from 'ioredis';
import type { Connection } from './connection.ts';
import { answerWithin, DeadlineExceeded } from './deadline.ts';
import { isFreeing, packCommit, withToken, writesOf, type CommitForm } from './encode-commit.ts';
import { functionName, isFunctionMissing, loadLibrary } from './function-library.ts';
import { Packer } from './pack.ts';
import { troubleOf } from './store-errors.ts';
import type { StoreObserver } from './store-observer.ts';

export interface CommitPipeLimits {
  /** Redis writes in one batch: about 200 keep it near 1 ms of Redis. A larger commit goes alone. */
  readonly batchWritesMax: number;
  readonly batchBytesMax: number;
  /** Batches that wait for their answer from one Redis; in a Cluster from one of its masters. */
  readonly batchesInFlightMax: number;
  /** Commits that wait to be sent; above it new ones are refused. */
  readonly queuedBytesMax: number;
  /** After this without an answer a commit's outcome is unknown and its connection is given up. */
  readonly answerMsMax: number;
  /** How long a replica may take at ack level `replicated`. */
  readonly replicaMsMax: number;
}

export const defaultCommitPipeLimits: CommitPipeLimits = {
  batchWritesMax: 200,
  batchBytesMax: 256 * 1024,
  batchesInFlightMax: 2,
  queuedBytesMax: 32 * 1024 * 1024,
  answerMsMax: 5_000,
  replicaMsMax: 1_000,
};

export interface CommitPipeParts extends CommitForm {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: StoreObserver;
  readonly limits: CommitPipeLimits;
  /** Ack level `replicated`: a WAIT goes behind each batch, and what no replica confirms is `unknown`. */
  readonly awaitReplica: boolean;
}

/** Commits are held for about equally long: those that came one after the other share memory, of all partitions. */
const slabs = new Slabs(16_384, 4_096);

interface WaitingTurn {
  readonly ownerKey: string;
  /** Submits what it commits before it returns. */
  readonly turn: () => void;
}

/** A commit as it goes to Redis: that is also what its owner holds, in case that Redis loses it. */
export interface PackedCommit extends SentCommit {
  readonly writes: number;
  readonly frees: boolean;
}

interface Pending {
  readonly ownerKey: string;
  readonly packed: PackedCommit;
  readonly sinceMs: number;
  readonly resolve: (outcome: CommitOutcome) => void;
}

function outcomeOf(answer: unknown): CommitOutcome {
  const text = String(answer);
  const space = text.indexOf(' ');
  const rest = space < 0 ? '' : text.slice(space + 1);
  switch (space < 0 ? text : text.slice(0, space)) {
    case 'OK':
      return { code: 'ok' };
    case 'DUP':
      return { code: 'dup' };
    case 'FENCED':
      return { code: 'fenced', heldEpoch: Number(rest) };
    case 'REGRESSED':
      return { code: 'regressed', commitNo: Number(rest) };
    case 'CONFLICT':
      return { code: 'conflict', message: rest };
    default:
      return { code: 'unknown', message: `the commit failed in Redis and may be in half: ${text}` };
  }
}

const outcomesOf = (answers: unknown): readonly CommitOutcome[] => (answers as readonly unknown[]).map(outcomeOf);

const unconfirmed = (outcome: CommitOutcome): CommitOutcome =>
  outcome.code === 'ok' || outcome.code === 'dup'
    ? { code: 'unknown', message: 'no replica confirmed the commit in time' }
    : outcome;

/** What came of a call: the outcome of each of its commits, or why it failed. */
type Answer = readonly CommitOutcome[] | Error;

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** One call of the function: of commits that make room, which Redis takes over maxmemory, or of others. */
type Call = readonly Pending[];

const callsOf = (batch: readonly Pending[]): readonly Call[] =>
  [batch.filter(({ packed }) => !packed.frees), batch.filter(({ packed }) => packed.frees)].filter(
    ({ length }) => length > 0,
  );

/** In a Cluster the first partition's slot says where a call goes: all of a batch are of one master. */
const routeOf = ([first]: Call): string => first?.ownerKey ?? '';

const nameOf = ([first]: Call): string => functionName(first?.packed.frees === true ? 'commit_freeing' : 'commit');

function packCall(call: Call): Buffer {
  const head = new Packer(8).array(call.length).take();
  return Buffer.concat([head, ...call.map(({ packed }) => packed.bytes)]);
}

/**
 * Carries commits to Redis.
 *
 * (W1) `submit` never rejects, and executes a commit at most once however often it is submitted (I5): the one thing
 *      that is ever sent again is a call that Redis refused because the function was not loaded.
 * (W2) The commits of one turn of the event loop go as one batch to each master, within the limits: one call, another one of
 *      those that make room, and one WAIT. An idle pipe adds no delay, and no master waits for another one.
 *      Who waits for its turn decides only when a batch has room for what it commits, so that the busier the store is, the
 *      more goes into one commit.
 * (W3) A commit that was submitted on one connection never goes out on a later one: after a reconnect the owner claims
 *      first.
 */
export class CommitPipe {
  readonly #parts: CommitPipeParts;
  readonly #packer = new Packer();
  readonly #queue: Pending[] = [];
  #queuedBytes = 0;
  /** By master. */
  readonly #inFlight = new Map<string, number>();
  #turns: WaitingTurn[] = [];
  #flushDue = false;

  constructor(parts: CommitPipeParts) {
    this.#parts = parts;
    parts.connection.onLost(() => {
      this.#refuseQueue('the connection to Redis was lost');
    });
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get batchesInFlight(): number {
    let count = 0;
    for (const batches of this.#inFlight.values()) count += batches;
    return count;
  }

  submit(commit: Commit): Promise<CommitOutcome> {
    const fault = commitFault(commit);
    if (fault !== null) return this.#atOnce({ code: 'conflict', message: `a malformed commit: ${fault}` });
    const refusal = this.#refusal();
    if (refusal !== null) return this.#atOnce(refusal);
    packCommit(this.#packer, this.#parts, commit);
    const bytes = this.#packer.takeAs((written) => slabs.copyOf(written));
    const packed: PackedCommit = { bytes, writes: writesOf(commit), frees: isFreeing(commit) };
    if (commit.memo !== undefined) commit.memo.sent = packed;
    return this.#enqueue(commit.partition, packed);
  }

  /** Once more what `submit` has left in a commit's memo, under this token. */
  submitAgain(partition: PartitionId, token: OwnerToken, packed: PackedCommit): Promise<CommitOutcome> {
    const refusal = this.#refusal();
    if (refusal !== null) return this.#atOnce(refusal);
    return this.#enqueue(partition, { ...packed, bytes: withToken(this.#packer, packed.bytes, token) });
  }

  /** Why nothing is taken now, null when it is. */
  #refusal(): CommitOutcome | null {
    const { connection, limits } = this.#parts;
    if (!connection.ready) return { code: 'unavailable', message: 'Redis is not reachable' };
    if (this.#queuedBytes <= limits.queuedBytesMax) return null;
    return { code: 'unavailable', message: 'too many commits wait to be sent' };
  }

  #enqueue(partition: PartitionId, packed: PackedCommit): Promise<CommitOutcome> {
    const { layout, clock } = this.#parts;
    return new Promise((resolve) => {
      this.#queue.push({ ownerKey: layout.owner(partition), packed, sinceMs: clock.monotonicMs(), resolve });
      this.#queuedBytes += packed.bytes.length;
      this.#flushSoon();
    });
  }

  /** As `PartitionStore` says. While Redis is not there, turns are called at once: what they submit is refused. */
  whenRoom(partition: PartitionId, turn: () => void): void {
    this.#turns.push({ ownerKey: this.#parts.layout.owner(partition), turn });
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    this.#parts.timers.soon(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #atOnce(outcome: CommitOutcome): Promise<CommitOutcome> {
    this.#parts.observer.commitAnswered(outcome.code, 0);
    return Promise.resolve(outcome);
  }

  #flush(): void {
    this.#takeTurns();
    for (let next = this.#nextBatch(); next !== null; next = this.#nextBatch()) {
      const { master, batch } = next;
      this.#inFlight.set(master, (this.#inFlight.get(master) ?? 0) + 1);
      void this.#carry(batch).finally(() => {
        const left = (this.#inFlight.get(master) ?? 1) - 1;
        if (left > 0) this.#inFlight.set(master, left);
        else this.#inFlight.delete(master);
        this.#flushSoon();
      });
      this.#takeTurns();
    }
  }

  /** Until what they submit fills a batch of each master that has room. */
  #takeTurns(): void {
    const { limits, connection } = this.#parts;
    const turns = this.#turns;
    if (turns.length === 0) return;
    this.#turns = [];
    const writes = new Map<string, number>();
    const count = (from: number): void => {
      for (const pending of this.#queue.slice(from)) {
        const master = connection.masterOf(pending.ownerKey);
        writes.set(master, (writes.get(master) ?? 0) + pending.packed.writes);
      }
    };
    count(0);
    const later: WaitingTurn[] = [];
    for (const waiting of turns) {
      const master = connection.masterOf(waiting.ownerKey);
      const isFree = (this.#inFlight.get(master) ?? 0) < limits.batchesInFlightMax;
      if (connection.ready && !(isFree && (writes.get(master) ?? 0) < limits.batchWritesMax)) {
        later.push(waiting);
        continue;
      }
      const { length } = this.#queue;
      waiting.turn();
      count(length);
    }
    // Behind them those that came because of a turn.
    this.#turns = [...later, ...this.#turns];
  }

  /** Of the first commit whose master has room, with what waits for the same one; null when none has. */
  #nextBatch(): { readonly master: string; readonly batch: readonly Pending[] } | null {
    const { limits, connection } = this.#parts;
    let master: string | null = null;
    let writes = 0;
    let bytes = 0;
    let isFull = false;
    const batch: Pending[] = [];
    const rest: Pending[] = [];
    for (const pending of this.#queue) {
      const own = connection.masterOf(pending.ownerKey);
      if (master === null && (this.#inFlight.get(own) ?? 0) < limits.batchesInFlightMax) master = own;
      if (own === master && !isFull) {
        writes += pending.packed.writes;
        bytes += pending.packed.bytes.length;
        isFull = batch.length > 0 && (writes > limits.batchWritesMax || bytes > limits.batchBytesMax);
      }
      if (own === master && !isFull) batch.push(pending);
      else rest.push(pending);
    }
    if (master === null) return null;
    this.#queue.splice(0, this.#queue.length, ...rest);
    for (const { packed } of batch) this.#queuedBytes -= packed.bytes.length;
    return { master, batch };
  }

  async #carry(batch: readonly Pending[]): Promise<void> {
    const { connection, limits, timers, observer } = this.#parts;
    const calls = callsOf(batch);
    const writes = batch.reduce((sum, { packed }) => sum + packed.writes, 0);
    observer.commitSent(
      writes,
      batch.reduce((sum, { packed }) => sum + packed.bytes.length, 0),
    );
    try {
      const answers = await answerWithin(timers, limits.answerMsMax, this.#call(calls));
      calls.forEach((call, index) => {
        this.#answerCall(call, answers[index] ?? new Error('Redis answered fewer calls than sent'));
      });
    } catch (error) {
      for (const call of calls) this.#answerCall(call, asError(error));
      // Nothing sent behind it would be answered sooner; what is still queued is refused when the socket closes.
      if (error instanceof DeadlineExceeded) connection.reset();
    }
  }

  /** All calls, and those once more that met a Redis which did not know the function: they had not executed. */
  async #call(calls: readonly Call[]): Promise<readonly Answer[]> {
    const answers = await this.#send(calls);
    const isMissing = answers.map(isFunctionMissing);
    if (!isMissing.includes(true)) return answers;
    await loadLibrary(this.#parts.connection.client);
    const again = [...(await this.#send(calls.filter((_call, index) => isMissing[index] === true)))];
    return answers.map((answer, index) => (isMissing[index] === true ? (again.shift() ?? answer) : answer));
  }

  async #send(calls: readonly Call[]): Promise<readonly Answer[]> {
    const { awaitReplica, connection } = this.#parts;
    if (awaitReplica) return this.#sendAndAwait(calls);
    const sent = calls.map((call) => connection.client.fcall(nameOf(call), 1, routeOf(call), packCall(call)));
    const settled = await Promise.allSettled(sent);
    return settled.map((one) => (one.status === 'fulfilled' ? outcomesOf(one.value) : asError(one.reason)));
  }

  /** One WAIT goes behind the calls to the same node on the same connection, which is all that it can vouch for. */
  async #sendAndAwait(calls: readonly Call[]): Promise<readonly Answer[]> {
    const { connection, limits } = this.#parts;
    const { client } = connection;
    const pipeline = client.pipeline();
    for (const call of calls) pipeline.fcall(nameOf(call), 1, routeOf(call), packCall(call));
    const replies = (await pipeline.wait(1, limits.replicaMsMax).exec()) ?? [];
    const [refusal, replicas] = replies.at(-1) ?? [null, 0];
    const isReplicated = replies.length > calls.length && refusal === null && Number(replicas) >= 1;
    const answers = replies.slice(0, calls.length).map(([error, value]) => error ?? outcomesOf(value));
    // Of a lone command the client learns by itself that the slot has moved; of a pipeline it does not.
    if (
      client instanceof Cluster &&
      answers.some((answer) => answer instanceof Error && /^MOVED /.test(answer.message))
    )
      client.refreshSlotsCache();
    return answers.map((answer) => (answer instanceof Error || isReplicated ? answer : answer.map(unconfirmed)));
  }

  #answerCall(call: Call, answer: Answer): void {
    if (!(answer instanceof Error)) {
      const message = 'Redis answered fewer commits than sent';
      call.forEach((pending, index) => {
        this.#answer(pending, answer[index] ?? { code: 'unknown', message });
      });
      return;
    }
    const { kind, message } = troubleOf(answer);
    for (const pending of call)
      this.#answer(pending, { code: kind === 'refused' ? 'unavailable' : 'unknown', message });
  }

  #answer(pending: Pending, outcome: CommitOutcome): void {
    const { clock, observer } = this.#parts;
    observer.commitAnswered(outcome.code, clock.monotonicMs() - pending.sinceMs);
    pending.resolve(outcome);
  }

  #refuseQueue(message: string): void {
    this.#queuedBytes = 0;
    for (const pending of this.#queue.splice(0)) this.#answer(pending, { code: 'unavailable', message });
  }
}
