import type { JobCounts, JobWorkerStats } from '@millrace/jobs';
import type { Registry } from 'prom-client';
import { gaugeInto } from '../gauge-into.ts';

/** What the jobs of a queue are called in its metrics. */
export interface JobWords {
  readonly prefix: string;
  /** In the plural, at the beginning of a sentence. */
  readonly jobs: string;
}

/** Of the jobs of one queue: what waits in the cluster, and what this process has worked. */
export function jobMetrics(
  registry: Registry,
  { prefix, jobs }: JobWords,
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
    `${prefix}_delayed`,
    `${jobs} of the cluster whose time has not come, or that are tried again later; NaN while the queue does not answer.`,
    async () => (await look())?.delayed ?? unknown,
  );
  gauge(
    `${prefix}_waiting`,
    `${jobs} of the cluster whose time has come, and that no process works yet; NaN while the queue does not answer.`,
    async () => (await look())?.waiting ?? unknown,
  );
  gauge(
    `${prefix}_active`,
    `${jobs} of the cluster that are worked now; NaN while the queue does not answer.`,
    async () => (await look())?.active ?? unknown,
  );
  gauge(`${prefix}_done`, `${jobs} that this process has done.`, () => stats()?.done ?? 0);
  gauge(`${prefix}_retried`, `${jobs}: attempts of this process that are made again later.`, () => stats()?.again ?? 0);
  gauge(
    `${prefix}_given_up`,
    `${jobs} that this process tried for the last time, in vain.`,
    () => stats()?.givenUp ?? 0,
  );
}
