import { testPostgres } from '@millrace/local-postgres/testing';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { hotLengths } from './support/hot-lengths.ts';
import { MillraceCluster, SteadyLoad } from './support/millrace-cluster.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { until } from './support/until.ts';

const HOT = 20;
const HOT_MAX = HOT + 50;
const ENV = {
  MILLRACE_PARTITIONS: '8',
  MILLRACE_LEASE_MS: '2000',
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_HOT_MESSAGES: String(HOT),
};

describe('rolls into the archive', () => {
  const redis = testRedis();
  const postgres = testPostgres();
  const running: { stop(): Promise<unknown> }[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.stop()));
  });

  const metric = async ({ httpUrl }: MillraceProcess, name: string): Promise<number> =>
    sumOf(parseMetrics(await (await fetch(`${httpUrl}/metrics`)).text()), name);

  it('are done by the nodes that work jobs, taken over from one that is killed, and done by the owners while there is none (I8)', async () => {
    const env = { ...ENV, MILLRACE_ARCHIVE: postgres.url };
    const cluster = new MillraceCluster(redis.url, { ...env, MILLRACE_ROLES: 'gateway,actors' });
    running.push(cluster);
    const owner = await cluster.add();
    const worker = async (name: string): Promise<MillraceProcess> => {
      const started = await startMillrace(redis.url, { ...env, MILLRACE_ROLES: 'jobs', MILLRACE_NODE_NAME: name });
      running.push(started);
      return started;
    };
    const first = await worker('worker-1');
    const load = await SteadyLoad.start(cluster);
    await until('a worker archives', async () => (await metric(first, 'millrace_archived_entries')) > 300);
    expect(await metric(owner, 'millrace_archived_entries')).toBe(0);
    expect(await metric(first, 'millrace_roll_jobs_done')).toBeGreaterThan(0);

    await first.kill('SIGKILL');
    await until('its owner archives', async () => (await metric(owner, 'millrace_archived_entries')) > 300);
    const second = await worker('worker-2');
    await until('another worker archives', async () => (await metric(second, 'millrace_archived_entries')) > 300);

    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    await until(
      'no more is hot than is to stay, and no roll waits',
      async () =>
        Math.max(...(await hotLengths(redis))) <= HOT_MAX &&
        (await metric(second, 'millrace_roll_jobs_waiting')) +
          (await metric(second, 'millrace_roll_jobs_active')) +
          (await metric(second, 'millrace_roll_jobs_delayed')) ===
          0,
    );
    for (const node of [owner, second]) expect(await metric(node, 'millrace_archive_stuck')).toBe(0);
  }, 180_000);
});
