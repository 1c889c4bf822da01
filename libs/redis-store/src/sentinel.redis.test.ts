import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom, systemTimers } from '@millrace/kernel';
import { startSentinels, type LocalRedis, type LocalSentinels } from '@millrace/local-redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Connection } from './connection.ts';
import { inspectRedis } from './inspect-redis.ts';

let dir = '';
let redis: LocalSentinels | undefined;
let connection: Connection | undefined;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mr-se-'));
  const started = await startSentinels({ dir, downAfterMs: 500, processGroup: 'shared' });
  if (!started.ok) throw new Error(started.error.message);
  redis = started.value;
});
afterAll(async () => {
  connection?.close();
  await redis?.kill();
  rmSync(dir, { recursive: true, force: true });
});

async function master(): Promise<LocalRedis> {
  const port = await redis?.masterPort();
  const node = redis?.nodes.find((one) => one.port === port);
  if (node === undefined) throw new Error('there is a master');
  return node;
}

describe('a Redis that is found by Sentinels', () => {
  it('is looked at where the master is, and not at all while there is none', async () => {
    const url = redis?.url ?? '';
    expect(await inspectRedis(url, 'replicated')).toMatchObject({
      ok: true,
      value: { facts: { role: 'master', replicas: 1 } },
    });
    expect(await inspectRedis(url.replace(/main$/, 'other'), 'memory')).toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
    expect(await inspectRedis('redis+sentinel://127.0.0.1:1/main', 'memory')).toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
    expect(await inspectRedis('redis+sentinel://nowhere', 'memory')).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('the address of the Sentinels') as string },
    });
  });

  it('is found again after its master died, whatever a connection was told meanwhile', async () => {
    const url = redis?.url ?? '';
    connection = new Connection({
      ...{ url, cluster: false, name: 'test', forReads: false },
      ...{ random: systemRandom, timers: systemTimers },
    });
    await connection.firstReady();
    const { client } = connection;
    await client.set('before', 'kept');
    await client.call('WAIT', '1', '5000');
    let returns = 0;
    connection.onReconnect(() => (returns += 1));
    const before = await master();
    await before.kill();
    // As one does who got no answer in time: also while the client still asks where the master is.
    let endings = 0;
    client.on('end', () => (endings += 1));
    const insist = setInterval(() => connection?.reset(), 5);
    await expect.poll(() => endings, { timeout: 20_000 }).toBeGreaterThan(0);
    clearInterval(insist);
    await expect.poll(() => connection?.ready, { timeout: 30_000 }).toBe(true);
    expect(returns).toBeGreaterThan(0);
    expect(await client.get('before')).toBe('kept');
    // The Sentinel that is asked here may hear of it after the one that the connection asked.
    await expect.poll(async () => (await master()).port, { timeout: 10_000 }).not.toBe(before.port);
    expect(await client.call('ROLE')).toContain('master');
  });
});
