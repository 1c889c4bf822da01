import type { Clock, Timers } from '@millrace/kernel';
import { commitFault, type Commit, type CommitOutcome } from '@millrace/partition';
import { Cluster } from 'ioredis';
import type { Connection } from './connection.ts';
import { answerWithin, DeadlineExceeded } from './deadline.ts';
import { packCommit, writesOf } from './encode-commit.ts';
import { functionName, isFunctionMissing, loadLibrary } from './function-library.ts';
import type { KeyLayout } from './key-layout.ts';
import { Packer } from './pack.ts';
import { troubleOf } from './store-errors.ts';
import type { StoreObserver } from './store-observer.ts';

export interface CommitPipeLimits {
  /** Redis writes in one call: about 200 keep it near 1 ms of Redis. A larger commit goes alone. */
  readonly callWritesMax: number;
  readonly callBytesMax: number;
  /** Calls that wait for their answer on one connection. */
  readonly callsInFlightMax: number;
  /** Commits that wait to be sent; above it new ones are refused. */
  readonly queuedBytesMax: number;
  /** After this without an answer a commit's outcome is unknown and its connection is given up. */
  readonly answerMsMax: number;
  /** How long a replica may take at ack level `replicated`. */
  readonly replicaMsMax: number;
}

export const defaultCommitPipeLimits: CommitPipeLimits = {
  callWritesMax: 200,
  callBytesMax: 256 * 1024,
  callsInFlightMax: 2,
  queuedBytesMax: 32 * 1024 * 1024,
  answerMsMax: 5_000,
  replicaMsMax: 1_000,
};

export interface CommitPipeParts {
  readonly connection: Connection;
  readonly layout: KeyLayout;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: StoreObserver;
  readonly limits: CommitPipeLimits;
  /** Ack level `replicated`: a WAIT goes behind each call, and what no replica confirms is `unknown`. */
  readonly awaitReplica: boolean;
  /** In a Cluster one call reaches one hash tag only. */
  readonly onePartitionPerCall: boolean;
}

interface Pending {
  readonly ownerKey: string;
  readonly packed: Buffer;
  readonly writes: number;
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

function packCall(batch: readonly Pending[]): Buffer {
  const head = new Packer(8).array(batch.length).take();
  return Buffer.concat([head, ...batch.map(({ packed }) => packed)]);
}

/**
 * Carries commits to Redis.
 *
 * (W1) `submit` never rejects, and executes a commit at most once however often it is submitted (I5): the one thing
 *      that is ever sent again is a call that Redis refused because the function was not loaded.
 * (W2) The commits of one turn of the event loop go as one call, within the limits. An idle pipe adds no delay.
 * (W3) A commit that was submitted on one connection never goes out on a later one: after a reconnect the owner claims
 *      first.
 */
export class CommitPipe {
  readonly #parts: CommitPipeParts;
  readonly #packer = new Packer();
  readonly #queue: Pending[] = [];
  #queuedBytes = 0;
  #callsInFlight = 0;
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

  get callsInFlight(): number {
    return this.#callsInFlight;
  }

  submit(commit: Commit): Promise<CommitOutcome> {
    const { connection, layout, limits, clock, timers } = this.#parts;
    const fault = commitFault(commit);
    if (fault !== null) return this.#atOnce({ code: 'conflict', message: `a malformed commit: ${fault}` });
    if (!connection.ready) return this.#atOnce({ code: 'unavailable', message: 'Redis is not reachable' });
    if (this.#queuedBytes > limits.queuedBytesMax) {
      return this.#atOnce({ code: 'unavailable', message: 'too many commits wait to be sent' });
    }
    packCommit(this.#packer, layout, commit);
    const packed = this.#packer.take();
    return new Promise((resolve) => {
      const ownerKey = layout.owner(commit.partition);
      this.#queue.push({ ownerKey, packed, writes: writesOf(commit), sinceMs: clock.monotonicMs(), resolve });
      this.#queuedBytes += packed.length;
      if (this.#flushDue) return;
      this.#flushDue = true;
      timers.soon(() => {
        this.#flushDue = false;
        this.#flush();
      });
    });
  }

  #atOnce(outcome: CommitOutcome): Promise<CommitOutcome> {
    this.#parts.observer.commitAnswered(outcome.code, 0);
    return Promise.resolve(outcome);
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#callsInFlight < this.#parts.limits.callsInFlightMax) {
      const batch = this.#nextBatch();
      this.#callsInFlight += 1;
      void this.#carry(batch).finally(() => {
        this.#callsInFlight -= 1;
        this.#flush();
      });
    }
  }

  #nextBatch(): readonly Pending[] {
    const { limits, onePartitionPerCall } = this.#parts;
    let count = 0;
    let writes = 0;
    let bytes = 0;
    for (const pending of this.#queue) {
      writes += pending.writes;
      bytes += pending.packed.length;
      if (count > 0 && (onePartitionPerCall || writes > limits.callWritesMax || bytes > limits.callBytesMax)) break;
      count += 1;
    }
    const batch = this.#queue.splice(0, count);
    for (const { packed } of batch) this.#queuedBytes -= packed.length;
    return batch;
  }

  async #carry(batch: readonly Pending[]): Promise<void> {
    const { connection, limits, timers, observer } = this.#parts;
    const payload = packCall(batch);
    observer.commitSent(
      batch.reduce((sum, { writes }) => sum + writes, 0),
      payload.length,
    );
    try {
      const call = this.#call(
        batch.map(({ ownerKey }) => ownerKey),
        payload,
      );
      const answers = await answerWithin(timers, limits.answerMsMax, call);
      batch.forEach((pending, index) => {
        this.#answer(pending, answers[index] ?? { code: 'unknown', message: 'Redis answered fewer commits than sent' });
      });
    } catch (error) {
      const { kind, message } = troubleOf(error);
      const code = kind === 'refused' ? 'unavailable' : 'unknown';
      for (const pending of batch) this.#answer(pending, { code, message });
      // Nothing sent behind it would be answered sooner; what is still queued is refused when the socket closes.
      if (error instanceof DeadlineExceeded) connection.reset();
    }
  }

  /** One call, and the same once more if Redis did not know the function: then it had not executed. */
  async #call(keys: readonly string[], payload: Buffer): Promise<readonly CommitOutcome[]> {
    try {
      return await this.#send(keys, payload);
    } catch (error) {
      if (!isFunctionMissing(error)) throw error;
      await loadLibrary(this.#parts.connection.client);
      return await this.#send(keys, payload);
    }
  }

  async #send(keys: readonly string[], payload: Buffer): Promise<readonly CommitOutcome[]> {
    const { awaitReplica, connection } = this.#parts;
    const { client } = connection;
    if (awaitReplica) return this.#sendAndAwait(keys, payload);
    const answers = await client.fcall(functionName('commit'), keys.length, ...keys, payload);
    return (answers as readonly unknown[]).map(outcomeOf);
  }

  /** The WAIT goes behind the call to the same node on the same connection, which is all that it can vouch for. */
  async #sendAndAwait(keys: readonly string[], payload: Buffer): Promise<readonly CommitOutcome[]> {
    const { connection, limits } = this.#parts;
    const { client } = connection;
    const call = client.pipeline().fcall(functionName('commit'), keys.length, ...keys, payload);
    const [committed = [null, []], waited = [null, 0]] = (await call.wait(1, limits.replicaMsMax).exec()) ?? [];
    const [refusal, answers] = committed;
    if (refusal !== null) {
      // Of a lone command the client learns by itself that the slot has moved; of a pipeline it does not.
      if (client instanceof Cluster && refusal.message.startsWith('MOVED')) client.refreshSlotsCache();
      throw refusal;
    }
    const isReplicated = waited[0] === null && Number(waited[1]) >= 1;
    return (answers as readonly unknown[]).map((answer) => {
      const outcome = outcomeOf(answer);
      const isStored = outcome.code === 'ok' || outcome.code === 'dup';
      if (!isStored || isReplicated) return outcome;
      return { code: 'unknown', message: 'no replica confirmed the commit in time' };
    });
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
