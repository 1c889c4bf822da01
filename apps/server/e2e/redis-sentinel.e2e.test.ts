import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callRedis, describeLocalRedisError, startSentinels, type LocalSentinels } from '@millrace/local-redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceCluster, SteadyLoad } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
/** As a rule it takes them some 10 s. */
const SENTINELS_MS_MAX = 15_000;
const DOWN_AFTER_MS = 1_000;
const LEASE_MS = 4_000;

describe('two nodes over a master with a replica and three Sentinels, at ack level replicated', () => {
  let dir = '';
  let redis: LocalSentinels | undefined;
  let cluster: MillraceCluster | undefined;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mr-rs-'));
    const started = await startSentinels({ dir, downAfterMs: DOWN_AFTER_MS, processGroup: 'shared' });
    if (!started.ok) throw new Error(describeLocalRedisError(started.error));
    redis = started.value;
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: String(LEASE_MS),
      MILLRACE_ACK: 'replicated',
      MILLRACE_DRAIN_MS: '300',
    });
    for (let count = 0; count < 2; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await redis?.kill();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('(I1)(I3)(I4)(I5) lose, repeat and skip nothing when the master is killed, again and again, and go on with its heir', async () => {
    if (redis === undefined || cluster === undefined) throw new Error('they were started');
    const { nodes } = redis;
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(300);
    expect(load.senders[0]?.acknowledged[0]?.level).toBe('replicated');
    for (let times = 0; times < 2; times += 1) {
      const port = await redis.masterPort();
      const master = nodes.find((node) => node.port === port);
      if (master === undefined) throw new Error(`no node listens on ${String(port)}`);
      const before = load.acknowledged;
      await master.kill();
      await until('another one is the master', async () => (await redis?.masterPort()) !== port);
      // Whoever runs it starts it again; before that, no replica could confirm what its heir took.
      expect((await master.restart()).ok).toBe(true);
      const isReplica = async (): Promise<boolean> => {
        const role = await callRedis(master.endpoint, ['ROLE']);
        return role.ok && Array.isArray(role.value) && role.value[0] === 'slave';
      };
      // Where its heir stood still for a second, too, it is the master again.
      const isMaster = async (): Promise<boolean> => (await redis?.masterPort()) === port;
      const hasItsPlace = async (): Promise<boolean> => (await isMaster()) || (await isReplica());
      try {
        await until('the Sentinels have made it a replica', hasItsPlace, SENTINELS_MS_MAX);
      } catch {
        // Sentinels that were held up for two seconds do nothing for thirty: whoever runs it does it for them.
        const heir = String(await redis.masterPort());
        expect((await callRedis(master.endpoint, ['REPLICAOF', '127.0.0.1', heir])).ok).toBe(true);
        await until('it is a replica', isReplica);
      }
      await load.untilMore(300);
      expect(load.acknowledged).toBeGreaterThan(before);
    }
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    // To the first acknowledged write: detection, vote, and the owners' new claims. It waited for the heir indeed.
    expect(load.pauseMsMax).toBeGreaterThan(DOWN_AFTER_MS / 2);
    expect(load.pauseMsMax).toBeLessThan(30 * DOWN_AFTER_MS);
    const logs = cluster.nodes.map((node) => node.log()).join('');
    expect(logs).toContain('Redis is back; claiming again');
  }, 180_000);
});
