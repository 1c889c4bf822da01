import type { UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { MillraceCluster, type ClusterNode } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const user = (name: string): UserId => name as UserId;

describe('presence over two nodes', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  let nodes: readonly [ClusterNode, ClusterNode];
  const open: Device[] = [];
  const connect = async (name: string, node: ClusterNode): Promise<Device> => {
    const connected = await device(node.socketUrl, name);
    open.push(connected);
    return connected;
  };

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, { MILLRACE_PARTITIONS: '16', MILLRACE_LEASE_MS: '2000' });
    nodes = [await cluster.add(), await cluster.add()];
    await cluster.untilSpread(16);
  });
  afterAll(async () => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
    await cluster.stop();
    expect(frameCheck.take().problems).toEqual([]);
  });

  it('tells of users wherever they are: who comes, who goes, and who was on a node that died', async () => {
    const [first, second] = nodes;
    const ann = await connect('ann', first);
    const names = Array.from({ length: 6 }, (_, index) => `friend-${String(index)}`);
    for (const name of names) await ann.client.createDirect(user(name));
    const now = new Map<string, boolean>();
    ann.client.on('presence', (states) => {
      for (const state of states) now.set(state.user, state.online);
    });
    const seen = (): readonly string[] => names.filter((name) => now.get(name) === true);

    // Some of them live on each node, whichever they are connected to.
    const [here, away] = [await connect('friend-0', first), await connect('friend-1', second)];
    for (const name of ['friend-2', 'friend-3']) await connect(name, second);
    await ann.client.subscribePresence(names.map(user));
    await until('ann is told of all', () => now.size === names.length);
    await until('four are online', () => seen().join() === 'friend-0,friend-1,friend-2,friend-3');
    await Promise.all([here.client.close(), away.client.close()]);
    await until('two have gone', () => seen().join() === 'friend-2,friend-3');
    await connect('friend-4', second);
    await until('one has come', () => seen().join() === 'friend-2,friend-3,friend-4');

    const killedAt = performance.now();
    cluster.forget(second);
    await second.kill('SIGKILL');
    await until('nobody of the dead node is online', () => seen().length === 0);
    // The lease, the coordinator's next look, and two looks of the watching node.
    expect(performance.now() - killedAt).toBeLessThan(25_000);
    await connect('friend-2', first);
    await until('one has come back', () => seen().join() === 'friend-2');
    await ann.client.unsubscribePresence(names.map(user));
  });

  it('is told to friends alone, and not to one who was blocked (I11)', async () => {
    const [first] = nodes;
    const [eve, mallory] = [await connect('eve', first), await connect('mallory', first)];
    await eve.client.createDirect(user('dan'));
    await expect(mallory.client.subscribePresence([user('eve')])).rejects.toMatchObject({ code: 'forbidden' });
    await expect(eve.client.subscribePresence([user('dan'), user('mallory')])).rejects.toMatchObject({
      code: 'forbidden',
    });
    const dan = await connect('dan', first);
    await dan.client.subscribePresence([user('eve')]);
    await eve.client.block(user('dan'));
    const later = await connect('dan', first);
    await expect(later.client.subscribePresence([user('eve')])).rejects.toMatchObject({ code: 'forbidden' });
    await eve.client.subscribePresence([user('dan')]);
  });
});
