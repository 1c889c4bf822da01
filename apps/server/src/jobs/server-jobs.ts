import { JobQueue, JobWorker, type JobData, type JobOutcome, type JobToDo } from '@millrace/jobs';
import { parseConversationId, parseUserId, type Clock, type Random, type Timers } from '@millrace/kernel';
import {
  sweepDue,
  type Archiver,
  type ChatNode,
  type DueJob,
  type DueJobs,
  type ExpiryJobs,
  type Retention,
  type RollJobs,
} from '@millrace/messaging';
import type { RedisStores } from '@millrace/redis-store';
import { StoreUnavailable } from '@millrace/timeline';
import type { Registry } from 'prom-client';
import type { ServerLog } from '../logging.ts';
import { dueJobs, jobMetrics } from './job-metrics.ts';
import { ServerRolls } from './server-rolls.ts';

type JobStores = Pick<RedisStores, 'openJobConnection' | 'jobsPrefix' | 'storedUsers' | 'records'>;

export interface ServerJobsParts {
  readonly stores: JobStores;
  readonly registry: Registry;
  /** Whether this process works jobs, or only adds them. */
  readonly isWorker: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: ServerLog;
}

const QUEUE = 'due';
const SWEEP = 'sweep';
/** About 50 minutes with what is waited in between. */
const ATTEMPTS_MAX = 17;
/** Messages that one process sends at a time. */
const AT_ONCE = 16;
const SWEEP_MS = 3_600_000;
/** The queue itself may be lost with the jobs that it had: what comes now and then is asked for again. */
const ASKED_AGAIN_MS = 600_000;
/** A queue that cannot be reached says so at most so often. */
const TOLD_MS = 30_000;

function dueJobOf({ job, user, key, dueAt }: JobData): DueJob | null {
  const named = parseUserId(user);
  if (!named.ok || typeof job !== 'string' || typeof key !== 'string' || typeof dueAt !== 'number') return null;
  return { job, user: named.value, key, dueAt };
}

/** What has outlived the lifetime of a conversation goes. */
async function expire(retention: Pick<Retention, 'expire'>, { data }: JobToDo): Promise<JobOutcome> {
  const conversation = parseConversationId(data['expires']);
  if (!conversation.ok) return null;
  try {
    const again = await retention.expire(conversation.value);
    return again === null ? null : { again };
  } catch (error) {
    if (error instanceof StoreUnavailable) return { again: error.message };
    throw error;
  }
}

/** What this process has of the jobs of its cluster: it adds some, and with the role `jobs` it works them. */
export class ServerJobs {
  /** For the node. */
  readonly due: DueJobs & ExpiryJobs;
  readonly #rolls: ServerRolls;
  readonly #parts: ServerJobsParts;
  readonly #queue: JobQueue;
  #worker: JobWorker | null = null;
  #isStopped = false;
  #toldMs = -TOLD_MS;

  constructor(parts: ServerJobsParts) {
    const { stores, registry, clock, timers } = parts;
    this.#parts = parts;
    const onTrouble = (message: string): void => {
      this.#trouble(message);
    };
    const queue = new JobQueue({
      ...{ name: QUEUE, prefix: stores.jobsPrefix, clock, timers, attemptsMax: ATTEMPTS_MAX },
      connection: stores.openJobConnection('jobs'),
      onTrouble,
    });
    this.#queue = queue;
    this.#rolls = new ServerRolls({ ...parts, onTrouble });
    this.due = {
      add: (jobs) => queue.add(jobs.map((job) => ({ id: `m-${job.job}`, dueAt: job.dueAt, data: { ...job } }))),
      remove: (jobs) => void queue.remove(jobs.map((job) => `m-${job}`)),
      addExpiry: (expires, dueAt) =>
        queue.add([{ id: `x-${encodeURIComponent(expires)}-${String(dueAt)}`, dueAt, data: { expires } }]),
    };
    jobMetrics(
      registry,
      dueJobs,
      () => queue.counts(),
      () => this.#worker?.stats ?? null,
    );
  }

  /** For the archiver. */
  get rolls(): RollJobs {
    return this.#rolls;
  }

  /** From here on jobs are worked, where this process has that role. */
  work(
    node: Pick<ChatNode, 'chat' | 'erasing'>,
    retention: Pick<Retention, 'expire'>,
    archiver: Pick<Archiver, 'rollHere' | 'add'> | null,
  ): void {
    const { stores, isWorker, timers, log } = this.#parts;
    if (!isWorker || this.#isStopped) return;
    this.#worker = new JobWorker({
      ...{ name: QUEUE, prefix: stores.jobsPrefix, timers, atOnce: AT_ONCE },
      connection: stores.openJobConnection('job-worker'),
      work: (job) => {
        if (job.name === SWEEP) return this.#sweep(node);
        return 'expires' in job.data ? expire(retention, job) : this.#send(node, job);
      },
      onTrouble: (message) => {
        this.#trouble(message);
      },
      onGivenUp: ({ name, data }, why) => {
        log.error('a job was given up', { job: name, ...data, error: why });
      },
    });
    if (archiver !== null) this.#rolls.work(archiver);
    this.#askForSweeps();
  }

  /** No job is begun here any more; what is under way is finished, for a while. */
  async rest(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#worker?.close(), this.#rolls.rest()]);
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#queue.close(), this.#rolls.close()]);
  }

  async #send({ chat }: Pick<ChatNode, 'chat'>, { data, isLast }: JobToDo): Promise<JobOutcome> {
    const job = dueJobOf(data);
    // Of another version: nothing that this one could do.
    if (job === null) return null;
    const outcome = await chat.sendDue(job, isLast);
    return outcome.kind === 'again' ? { again: outcome.why } : null;
  }

  async #sweep({ erasing }: Pick<ChatNode, 'erasing'>): Promise<JobOutcome> {
    const { stores, clock } = this.#parts;
    const { calls } = erasing;
    try {
      await sweepDue({
        ...{ users: stores.storedUsers, records: stores.records, jobs: this.due, clock },
        partitionOf: (key) => calls.partitionOf(key),
      });
      return null;
    } catch (error) {
      if (error instanceof StoreUnavailable) return { again: error.message };
      throw error;
    }
  }

  #askForSweeps(): void {
    if (this.#isStopped) return;
    void this.#queue.repeat(SWEEP, SWEEP_MS);
    this.#parts.timers.after(ASKED_AGAIN_MS, () => {
      this.#askForSweeps();
    });
  }

  #trouble(message: string): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#isStopped || nowMs - this.#toldMs < TOLD_MS) return;
    this.#toldMs = nowMs;
    this.#parts.log.warn('the queue of jobs cannot be reached; it goes on by itself', { error: message });
  }
}
