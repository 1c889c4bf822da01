import { err, ok, type Clock, type Result, type Timers } from '@millrace/kernel';
import { Queue, type JobsOptions } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { answerWithin } from './answer-within.ts';
import { messageOf } from './message-of.ts';

/** A connection for jobs alone: see `RedisStores.openJobConnection`. */
export type JobConnection = Redis | Cluster;

export type JobData = Readonly<Record<string, string | number>>;

/** What is to be done at a time, once or more often: whoever does it sees to it that it comes to the same. */
export interface Job {
  /** Another one with the id of one that is there, or is being worked, is not added. No colon, and no number. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  readonly data: JobData;
}

export interface JobCounts {
  /** Their time has not come, or they are tried again later. */
  readonly delayed: number;
  /** Their time has come. */
  readonly waiting: number;
  readonly active: number;
}

export interface JobQueueParts {
  /** Of the queue: its keys begin with the prefix, a colon and this. */
  readonly name: string;
  /** With a hash tag, so that all keys are in one slot of a Cluster. */
  readonly prefix: string;
  readonly connection: JobConnection;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Something went wrong with the connection. It goes on by itself. */
  readonly onTrouble: (message: string) => void;
  /** How long Redis may take to answer. Default 5,000 milliseconds. */
  readonly answerMsMax?: number;
  readonly attemptsMax: number;
}

export interface Backoff {
  readonly msMin: number;
  readonly msMax: number;
}

/** 1 s, 2 s, 4 s …, 5 minutes at most. */
export const defaultBackoff: Backoff = { msMin: 1_000, msMax: 300_000 };

/** Between two attempts, for the attempt that failed, from 1: twice as long each time, up to a most. */
export const backoffMs = (attempt: number, { msMin, msMax }: Backoff = defaultBackoff): number =>
  Math.min(msMax, msMin * 2 ** Math.min(attempt - 1, 20));

/**
 * Where jobs wait for their time, in Redis by BullMQ.
 *
 * (J1) What was added is worked at its time or later, once or more often, for as long as Redis keeps it.
 * (J2) Nothing here waits for ever: what Redis does not answer in time is told so, and may have been done.
 */
export class JobQueue {
  readonly #parts: JobQueueParts;
  readonly #queue: Queue;

  constructor(parts: JobQueueParts) {
    const { name, prefix, connection, onTrouble } = parts;
    this.#parts = parts;
    this.#queue = new Queue(name, { prefix, connection });
    this.#queue.on('error', (error) => {
      onTrouble(error.message);
    });
  }

  /** @returns why some of them may not be there. */
  async add(jobs: readonly Job[]): Promise<Result<null, string>> {
    const nowMs = this.#parts.clock.nowMs();
    const bulk = jobs.map(({ id, dueAt, data }) => ({
      name: 'once',
      data,
      opts: { ...this.#options, jobId: id, delay: Math.max(0, dueAt - nowMs) },
    }));
    return this.#answered(() => this.#queue.addBulk(bulk));
  }

  /** As far as it can: one that is being worked stays. */
  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#answered(() => this.#queue.remove(id));
  }

  /** A job of this name comes now and then from now on, one for all who ask for it. */
  repeat(name: string, everyMs: number): Promise<Result<null, string>> {
    const template = { name, data: {}, opts: this.#options };
    return this.#answered(() => this.#queue.upsertJobScheduler(name, { every: everyMs }, template));
  }

  /** Null while Redis does not answer. */
  async counts(): Promise<JobCounts | null> {
    const found: { counts: JobCounts | null } = { counts: null };
    await this.#answered(async () => {
      const { delayed = 0, waiting = 0, active = 0 } = await this.#queue.getJobCounts('delayed', 'waiting', 'active');
      found.counts = { delayed, waiting, active };
    });
    return found.counts;
  }

  async close(): Promise<void> {
    await this.#answered(() => this.#queue.close());
    this.#parts.connection.disconnect();
  }

  get #options(): JobsOptions {
    const { attemptsMax } = this.#parts;
    return { attempts: attemptsMax, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true };
  }

  async #answered(work: () => Promise<unknown>): Promise<Result<null, string>> {
    const { timers, answerMsMax = 5_000 } = this.#parts;
    try {
      await answerWithin(timers, answerMsMax, work());
      return ok(null);
    } catch (error) {
      return err(`the queue of jobs does not take it: ${messageOf(error)}`);
    }
  }
}
