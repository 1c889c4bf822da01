import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationId } from '@millrace/kernel';
import {
  callRedis,
  describeLocalRedisError,
  startRedisCluster,
  type LocalRedis,
  type LocalRedisCluster,
} from '@millrace/local-redis';
import { partitionOf } from '@millrace/partition';
import { conversationKey } from '@millrace/timeline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceCluster, SteadyLoad } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
const NODE_TIMEOUT_MS = 2_000;

const ask = async (node: LocalRedis | undefined, ...args: readonly string[]): Promise<unknown> => {
  const reply = await callRedis(node?.endpoint ?? { port: 0 }, args);
  return reply.ok ? reply.value : null;
};
const roleOf = async (node: LocalRedis): Promise<unknown> => {
  const role = await ask(node, 'ROLE');
  return Array.isArray(role) ? (role[0] as unknown) : null;
};

describe('three nodes over a Redis Cluster of three masters with a replica each, at ack level replicated', () => {
  let dir = '';
  let redis: LocalRedisCluster | undefined;
  let cluster: MillraceCluster | undefined;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mr-rc-'));
    const started = await startRedisCluster({ dir, nodeTimeoutMs: NODE_TIMEOUT_MS, processGroup: 'shared' });
    if (!started.ok) throw new Error(describeLocalRedisError(started.error));
    redis = started.value;
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_PARTITIONS: String(PARTITIONS),
      MILLRACE_LEASE_MS: '4000',
      MILLRACE_ACK: 'replicated',
      MILLRACE_DRAIN_MS: '300',
    });
    for (let count = 0; count < 3; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await Promise.all((redis?.nodes ?? []).map((node) => node.kill()));
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('(I1)(I3)(I4) lose, repeat and skip nothing when a master is killed, and go on when its replica has taken over', async () => {
    if (redis === undefined || cluster === undefined) throw new Error('they were started');
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(300);
    expect(load.senders[0]?.acknowledged[0]?.level).toBe('replicated');
    // The one that has a room of the load: partition, slot, and so the master.
    const partition = partitionOf(conversationKey('one' as ConversationId), PARTITIONS);
    const slot = await ask(redis.nodes[0], 'CLUSTER', 'KEYSLOT', `{p${String(partition)}}`);
    const index = Math.floor((Number(slot) * 3) / 16_384);
    const [killed, heir] = [redis.nodes[index], redis.nodes[index + 3]];
    if (killed === undefined || heir === undefined) throw new Error('there are six');
    await killed.kill();
    await until('its replica has taken over', async () => (await roleOf(heir)) === 'master');
    // Whoever runs it starts it again; before that, no replica could confirm what its heir took.
    const restarted = await killed.restart();
    expect(restarted.ok).toBe(true);
    await until('it is a replica now', async () => (await roleOf(killed)) === 'slave');
    await load.untilMore(300);
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    const { pauseMsMax } = load;
    // Measured to the first acknowledged write: detection, election, and the owners' new claims.
    expect(pauseMsMax).toBeGreaterThan(NODE_TIMEOUT_MS / 2);
    expect(pauseMsMax).toBeLessThan(5 * NODE_TIMEOUT_MS);
  }, 120_000);
});
