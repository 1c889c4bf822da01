import { testPostgres } from '@millrace/local-postgres/testing';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hotLengths } from './support/hot-lengths.ts';
import { MillraceCluster, SteadyLoad, type ClusterNode } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
const HOT = 20;
const HOT_MAX = HOT + 50;
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: '2000',
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_HOT_MESSAGES: String(HOT),
};

/** The archive outlives each of them, and so does Redis: one test, for ids come again otherwise. */
describe('a cluster with an archive in PostgreSQL', () => {
  const redis = testRedis();
  const postgres = testPostgres();
  let cluster: MillraceCluster;
  beforeEach(async () => {
    cluster = new MillraceCluster(redis.url, { ...ENV, MILLRACE_ARCHIVE: postgres.url });
    for (let count = 0; count < 3; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  }, 240_000);
  afterEach(() => cluster.stop());

  const node = (at: number): ClusterNode => {
    const found = cluster.nodes[at];
    if (found === undefined) throw new Error(`there is no node ${String(at)}`);
    return found;
  };

  it('loses, repeats and hides nothing while nodes and PostgreSQL are killed, and keeps strangers out (I8)', async () => {
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(400);
    await until('entries are archived', async () => (await cluster.sumOver('millrace_archived_entries')) > 0);
    await expect(cluster.add({ MILLRACE_ARCHIVE: 'none' })).rejects.toThrow(/MILLRACE_ARCHIVE does not fit/);
    for (const victim of [0, 1]) {
      await node(victim).restart();
      await load.untilMore(150);
    }
    await postgres.server.kill();
    await load.untilMore(150);
    expect(await cluster.sumOver('millrace_archive_reachable')).toBe(0);
    const restarted = await postgres.server.restart();
    expect(restarted.ok).toBe(true);
    await node(2).restart();
    await load.untilMore(150);
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    // Whoever was to archive something when it was killed does so with the next chunk, which may not come.
    await until('nothing waits to be archived', async () => (await cluster.sumOver('millrace_archive_waiting')) === 0);
    const lengths = await hotLengths(redis);
    expect(Math.min(...lengths)).toBeLessThanOrEqual(HOT_MAX);
    expect(await cluster.sumOver('millrace_archive_stuck')).toBe(0);
  }, 240_000);
});
