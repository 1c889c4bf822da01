import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, appending, at, nowhere } from '@millrace/partition/conformance';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';
import { SwallowingProxy } from './testing/swallowing-proxy.ts';

const redis = testRedis();
const room = actorKey('c:room');
let proxy: SwallowingProxy;
let stores: RedisStores;
let partition: APartition;

/** How often Redis has executed a function since the start of the test. */
async function functionCalls(): Promise<number> {
  const stats = String(await redis.call('INFO', 'commandstats'));
  return Number(/cmdstat_fcall:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

beforeEach(async () => {
  await redis.flush();
  proxy = await SwallowingProxy.open(redis.url);
  stores = await openRedisStores(proxy.url, { limits: { answerMsMax: 300 } });
  partition = new APartition(underTest(stores, redis));
  await partition.claim();
  await partition.stored([appending(room, nowhere, ['one'])]);
  await redis.call('CONFIG', 'RESETSTAT');
});
afterEach(async () => {
  stores.close();
  await proxy.close();
});

const reconnected = (): Promise<void> =>
  new Promise((resolve) => {
    const stop = stores.onReconnect(() => {
      stop();
      resolve();
    });
  });

describe('a commit whose reply is lost', () => {
  it('with the connection is unknown, is not executed again by the client, and its retry answers dup (I5)', async () => {
    const commit = partition.next([appending(room, at(1, 1), ['two'])]);
    const executed = proxy.swallowReplies();
    const outcome = partition.send(commit);
    await executed;
    const back = reconnected();
    proxy.heal();
    proxy.cut();
    expect((await outcome).code).toBe('unknown');
    await back;
    // Whatever the client would have sent again has been answered before a command behind it.
    await expect.poll(async () => (await partition.send(commit)).code).toBe('dup');
    expect(await functionCalls()).toBe(2);
    expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
  });

  it('in a silent network is unknown after the time limit, and its retry answers dup (I5)', async () => {
    const commit = partition.next([appending(room, at(1, 1), ['two'])]);
    void proxy.swallowReplies();
    const back = reconnected();
    expect((await partition.send(commit)).code).toBe('unknown');
    proxy.heal();
    proxy.cut();
    await back;
    await expect.poll(async () => (await partition.send(commit)).code).toBe('dup');
    expect(await functionCalls()).toBe(2);
    expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
  });

  it('is unknown with all the others of its call and none of them twice in (I5)', async () => {
    const others = Array.from({ length: 10 }, (_, index) => new APartition(underTest(stores, redis), 20 + index));
    for (const other of others) await other.claim();
    const commits = others.map((other) => other.next([appending(room, nowhere, ['x'])]));
    const executed = proxy.swallowReplies();
    const outcomes = Promise.all(commits.map((commit) => stores.partitions.commit(commit)));
    await executed;
    const back = reconnected();
    proxy.heal();
    proxy.cut();
    expect(new Set((await outcomes).map(({ code }) => code))).toEqual(new Set(['unknown']));
    await back;
    const codes = (): Promise<readonly string[]> =>
      Promise.all(commits.map(async (commit) => (await stores.partitions.commit(commit)).code));
    await expect.poll(async () => new Set(await codes())).toEqual(new Set(['dup']));
    for (const other of others) expect(await other.entries(room)).toEqual(['1-1 x']);
  });
});

describe('a commit whose request is lost', () => {
  it('is unknown, and its retry is executed once (I5)', async () => {
    const commit = partition.next([appending(room, at(1, 1), ['two'])]);
    const lost = proxy.swallowRequests();
    const outcome = partition.send(commit);
    await lost;
    const back = reconnected();
    proxy.heal();
    proxy.cut();
    expect((await outcome).code).toBe('unknown');
    await back;
    await expect.poll(async () => (await partition.send(commit)).code).toMatch(/ok|dup/);
    expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
    expect(await functionCalls()).toBe(1);
  });
});

describe('without a connection', () => {
  it('a commit, a claim, the cluster and a read are answered at once, and none hangs', async () => {
    const server = redis.server;
    await server.kill('SIGKILL');
    await expect.poll(async () => (await partition.send(partition.next([]))).code).toBe('unavailable');
    expect(await stores.partitions.claim(partition.id, 'n' as never, 0)).toMatchObject({ ok: false });
    expect(await stores.partitions.loadActor(partition.id, room)).toMatchObject({ ok: false });
    expect(await stores.cluster.lead('x', 'n' as never, 1_000)).toMatchObject({ code: 'unavailable' });
    await expect(stores.timelines.at(partition.id, room, at(1, 1))).rejects.toMatchObject({ name: 'StoreUnavailable' });
    expect(await stores.health()).toMatchObject({ reachable: false });
    await stores.partitions.release(partition.id, partition.token, partition.commitNo, 7);
    const back = reconnected();
    const restarted = await server.restart();
    expect(restarted.ok).toBe(true);
    await back;
    await partition.claim();
    expect(await stores.health()).toMatchObject({ reachable: true, queuedCommitBytes: 0, batchesInFlight: 0 });
  });

  it('the listeners of a reconnect run before anything can be committed on the new connection', async () => {
    const order: string[] = [];
    stores.onReconnect(() => {
      order.push('reconnected');
      void partition.send(partition.next([])).then(({ code }) => order.push(`inside: ${code}`));
    });
    proxy.cut();
    await expect
      .poll(async () => {
        const { code } = await stores.partitions.commit(partition.next([]));
        order.push(code);
        return order.includes('ok') || order.includes('dup');
      })
      .toBe(true);
    const accepted = order.findIndex((step) => step === 'ok' || step === 'dup');
    expect(order.indexOf('reconnected')).toBeGreaterThanOrEqual(0);
    expect(order.indexOf('reconnected')).toBeLessThan(accepted);
    expect(order).toContain('inside: unavailable');
  });
});
