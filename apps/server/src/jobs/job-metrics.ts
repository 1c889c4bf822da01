import type { JobCounts, JobWorkerStats } from '@millrace/jobs';
import type { Registry } from 'prom-client';
import { gaugeInto } from '../gauge-into.ts';

/** Of jobs: what waits in the cluster, and what this process has worked. */
export function jobMetrics(
  registry: Registry,
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
    'millrace_jobs_delayed',
    'Jobs of the cluster whose time has not come, or that are tried again later; NaN while the queue does not answer.',
    async () => (await look())?.delayed ?? unknown,
  );
  gauge(
    'millrace_jobs_waiting',
    'Jobs of the cluster whose time has come, and that no process works yet; NaN while the queue does not answer.',
    async () => (await look())?.waiting ?? unknown,
  );
  gauge(
    'millrace_jobs_active',
    'Jobs of the cluster that are worked now; NaN while the queue does not answer.',
    async () => (await look())?.active ?? unknown,
  );
  gauge('millrace_jobs_done', 'Jobs that this process has done.', () => stats()?.done ?? 0);
  gauge('millrace_jobs_retried', 'Attempts of this process that are made again later.', () => stats()?.again ?? 0);
  gauge(
    'millrace_jobs_given_up',
    'Jobs that this process tried for the last time, in vain.',
    () => stats()?.givenUp ?? 0,
  );
}
