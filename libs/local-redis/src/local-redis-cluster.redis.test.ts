import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './free-port.ts';
import { startRedisCluster, type LocalRedisCluster } from './local-redis-cluster.ts';
import { callRedis, infoField, type RedisReply } from './resp.ts';

let dir = '';
let cluster: LocalRedisCluster | undefined;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mr-rc-'));
});
afterAll(async () => {
  await Promise.all((cluster?.nodes ?? []).map((node) => node.kill()));
  rmSync(dir, { recursive: true, force: true });
});

const ask = async (index: number, ...args: readonly (string | number)[]): Promise<RedisReply> => {
  const node = cluster?.nodes[index];
  if (node === undefined) throw new Error(`there is no node ${String(index)}`);
  const reply = await callRedis(node.endpoint, args);
  if (!reply.ok) throw new Error(reply.error.message);
  return reply.value;
};

const start = async (firstPort: number, config: Readonly<Record<string, string>> = {}): Promise<LocalRedisCluster> => {
  const started = await startRedisCluster({ dir, firstPort, nodeTimeoutMs: 1_000, processGroup: 'shared', config });
  if (!started.ok) throw new Error(`${started.error.message}\n${started.error.whatToDo}`);
  return started.value;
};

describe('a Redis Cluster of our own', () => {
  it('has three masters with a replica each, keeps its data over a stop, and fails over when a master is killed', async () => {
    const firstPort = await freePort();
    cluster = await start(firstPort);
    const roles = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (index) => infoField(await ask(index, 'INFO', 'replication'), 'role')),
    );
    expect(roles).toEqual(['master', 'master', 'master', 'slave', 'slave', 'slave']);
    // The slot of `{b}` is 3300, the first master's.
    expect(await ask(0, 'SET', '{b}', 'kept')).toBe('OK');
    for (let key = 0; key < 50; key += 1) await ask(0, 'SET', `{b}${String(key)}`, 'x'.repeat(1_000));
    expect(await cluster.stop()).toEqual({ ok: true, value: undefined });

    // Slow enough that a replica is found while it reads what its master has sent.
    const slow = { 'key-load-delay': '20000', 'loading-process-events-interval-bytes': '1024' };
    cluster = await start(firstPort, slow);
    expect(await ask(0, 'GET', '{b}')).toBe('kept');
    await cluster.nodes[0]?.kill();
    await expect
      .poll(async () => infoField(await ask(3, 'INFO', 'replication'), 'role'), { timeout: 20_000 })
      .toBe('master');
    expect(await ask(3, 'GET', '{b}')).toBe('kept');
  }, 90_000);
});
