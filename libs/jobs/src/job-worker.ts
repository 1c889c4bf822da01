import { systemTimers, type Timers } from '@millrace/kernel';
import { Worker, type Job as BullJob } from 'bullmq';
import { answerWithin } from './answer-within.ts';
import { backoffMs, defaultBackoff, type Backoff, type JobConnection, type JobData } from './job-queue.ts';

export interface JobToDo {
  /** `once`, or the name of what comes now and then. */
  readonly name: string;
  readonly data: JobData;
  /** It is not tried again. */
  readonly isLast: boolean;
}

/** What a job came to; a text says why it is to be tried again. */
export type JobOutcome = { readonly again: string } | null;

export interface JobWorkerParts {
  readonly name: string;
  readonly prefix: string;
  /** Of its own: it waits for jobs on it. */
  readonly connection: JobConnection;
  readonly work: (job: JobToDo) => Promise<JobOutcome>;
  /** Something went wrong with the connection. It goes on by itself. */
  readonly onTrouble: (message: string) => void;
  /** A job was tried for the last time, or hit a defect of ours. */
  readonly onGivenUp: (job: Pick<JobToDo, 'name' | 'data'>, why: string) => void;
  readonly timers?: Timers;
  /** Worked at a time. */
  readonly atOnce: number;
  /** Between two attempts. Default: from 1 s to 5 minutes. */
  readonly backoff?: Backoff;
}

export interface JobWorkerStats {
  readonly done: number;
  /** Attempts that are to be made again. */
  readonly again: number;
  readonly givenUp: number;
}

/** A job whose worker is not heard of for so long is taken over by another one. */
const LOCK_MS = 15_000;
const STALLED_LOOK_MS = 5_000;
/** So often a job is taken over before it is given up: each time its worker has ended, or stood still. */
const STALLED_MAX = 50;
const CLOSE_MS_MAX = 5_000;

/** Works the jobs of a queue, one of as many workers as there are. */
export class JobWorker {
  readonly #parts: JobWorkerParts;
  readonly #worker: Worker<JobData>;
  #stats: JobWorkerStats = { done: 0, again: 0, givenUp: 0 };

  constructor(parts: JobWorkerParts) {
    const { name, prefix, connection, atOnce, backoff = defaultBackoff, onTrouble, onGivenUp } = parts;
    this.#parts = parts;
    this.#worker = new Worker<JobData>(name, (job) => this.#work(job), {
      ...{ prefix, connection, concurrency: atOnce },
      ...{ lockDuration: LOCK_MS, stalledInterval: STALLED_LOOK_MS, maxStalledCount: STALLED_MAX },
      settings: { backoffStrategy: (attempt) => backoffMs(attempt, backoff) },
    });
    this.#worker.on('error', (error) => {
      onTrouble(error.message);
    });
    this.#worker.on('failed', (job, error) => {
      const isOver = job === undefined || job.attemptsMade >= (job.opts.attempts ?? 1);
      this.#stats = isOver
        ? { ...this.#stats, givenUp: this.#stats.givenUp + 1 }
        : { ...this.#stats, again: this.#stats.again + 1 };
      if (isOver) onGivenUp({ name: job?.name ?? '', data: job?.data ?? {} }, error.message);
    });
  }

  get stats(): JobWorkerStats {
    return this.#stats;
  }

  /** Finishes what is being worked, for a while; another worker takes over what is not finished. */
  async close(): Promise<void> {
    const { connection, timers = systemTimers } = this.#parts;
    try {
      await answerWithin(timers, CLOSE_MS_MAX, this.#worker.close());
    } catch {
      // What it waits for is told by nobody any more.
      this.#worker.close(true).catch(() => undefined);
    }
    connection.disconnect();
  }

  async #work({ name, data, attemptsMade, opts }: BullJob<JobData>): Promise<void> {
    const outcome = await this.#parts.work({ name, data, isLast: attemptsMade + 1 >= (opts.attempts ?? 1) });
    if (outcome !== null) throw new Error(outcome.again);
    this.#stats = { ...this.#stats, done: this.#stats.done + 1 };
  }
}
