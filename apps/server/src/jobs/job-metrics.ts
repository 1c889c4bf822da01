import type { JobCounts, JobWorkerStats } from '@millrace/jobs';
import type { Registry } from 'prom-client';
import { gaugeInto } from '../gauge-into.ts';

/** What the jobs of a queue are called in its metrics. */
interface JobWords {
  readonly delayed: string;
  readonly waiting: string;
  readonly active: string;
  readonly done: string;
  readonly retried: string;
  readonly givenUp: string;
  /** In the plural, at the beginning of a sentence. */
  readonly jobs: string;
}

/** Whole names, to be found by them. */
export const dueJobs: JobWords = {
  delayed: 'millrace_jobs_delayed',
  waiting: 'millrace_jobs_waiting',
  active: 'millrace_jobs_active',
  done: 'millrace_jobs_done',
  retried: 'millrace_jobs_retried',
  givenUp: 'millrace_jobs_given_up',
  jobs: 'Jobs',
};
export const rollJobs: JobWords = {
  delayed: 'millrace_roll_jobs_delayed',
  waiting: 'millrace_roll_jobs_waiting',
  active: 'millrace_roll_jobs_active',
  done: 'millrace_roll_jobs_done',
  retried: 'millrace_roll_jobs_retried',
  givenUp: 'millrace_roll_jobs_given_up',
  jobs: 'Rolls',
};

/** Of the jobs of one queue: what waits in the cluster, and what this process has worked. */
export function jobMetrics(
  registry: Registry,
  { jobs, ...names }: JobWords,
  counts: () => Promise<JobCounts | null>,
  stats: () => JobWorkerStats | null,
): void {
  const gauge = gaugeInto(registry);
  /** One look at the queue for all gauges that are read together. */
  let asked: Promise<JobCounts | null> | null = null;
  const look = async (): Promise<JobCounts | null> => {
    asked ??= counts().finally(() => {
      asked = null;
    });
    return asked;
  };
  const unknown = Number.NaN;
  gauge(
    names.delayed,
    `${jobs} of the cluster whose time has not come, or that are tried again later; NaN while the queue does not answer.`,
    async () => (await look())?.delayed ?? unknown,
  );
  gauge(
    names.waiting,
    `${jobs} of the cluster whose time has come, and that no process works yet; NaN while the queue does not answer.`,
    async () => (await look())?.waiting ?? unknown,
  );
  gauge(
    names.active,
    `${jobs} of the cluster that are worked now; NaN while the queue does not answer.`,
    async () => (await look())?.active ?? unknown,
  );
  gauge(names.done, `${jobs} that this process has done.`, () => stats()?.done ?? 0);
  gauge(names.retried, `${jobs}: attempts of this process that are made again later.`, () => stats()?.again ?? 0);
  gauge(names.givenUp, `${jobs} that this process tried for the last time, in vain.`, () => stats()?.givenUp ?? 0);
}
