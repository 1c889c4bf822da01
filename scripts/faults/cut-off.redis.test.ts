import { systemTimers, type ConversationId, type DeviceId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { RawSession } from '@millrace/raw-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';
import { device, type Device } from '../../apps/server/e2e/support/device.ts';
import { MillraceCluster, type ClusterNode } from '../../apps/server/e2e/support/millrace-cluster.ts';
import { tokenFor } from '../../apps/server/e2e/support/test-tokens.ts';
import { until } from '../../apps/server/e2e/support/until.ts';

const PARTITIONS = 16;
const LEASE_MS = 2_000;
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: String(LEASE_MS),
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_LOG_LEVEL: 'info',
};

interface CutNode {
  readonly node: ClusterNode;
  /** Its way to Redis. */
  readonly way: TcpProxy;
}

describe('a node that is cut off from Redis', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  const ways: TcpProxy[] = [];
  const open: Device[] = [];
  beforeEach(async () => {
    await redis.flush();
    cluster = new MillraceCluster(redis.url, ENV);
  });
  afterEach(async () => {
    for (const way of ways) way.release();
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
    await cluster.stop();
    await Promise.all(ways.splice(0).map((way) => way.close()));
  });

  const add = async (): Promise<CutNode> => {
    const way = await TcpProxy.start(Number(new URL(redis.url).port));
    ways.push(way);
    return { node: await cluster.add({ REDIS_URL: `redis://127.0.0.1:${String(way.port)}` }), way };
  };

  /** A device that goes to these nodes in turn, with what its connection went through. */
  const connect = async (user: string, nodes: readonly CutNode[]): Promise<Device & { readonly states: string[] }> => {
    let tries = 0;
    const connected = await device(() => {
      tries += 1;
      return Promise.resolve(nodes[(tries - 1) % nodes.length]?.node.socketUrl ?? '');
    }, user);
    open.push(connected);
    const states: string[] = [];
    connected.client.on('state', (state, reason) => states.push(`${state} ${reason}`));
    return { ...connected, states };
  };

  const isReady = async ({ node }: CutNode): Promise<boolean> => (await fetch(`${node.httpUrl}/readyz`)).ok;

  it('sends its clients to another one, where what they wrote is acknowledged, and takes them again afterwards', async () => {
    const [cut, other] = [await add(), await add()];
    await cluster.untilSpread(PARTITIONS);
    const ann = await connect('ann', [cut, other]);
    const rooms = Array.from({ length: 8 }, (_, index) => `room-${String(index)}` as ConversationId);
    for (const conversation of rooms) await ann.client.create({ kind: 'group', conversation, members: [] });
    cut.way.hold();
    const cutAtMs = performance.now();
    // Of these, the owners of some are on the one node, of some on the other.
    const receipts = await Promise.all(rooms.map((room) => ann.client.send(room, 'does anybody hear me?')));
    expect(performance.now() - cutAtMs).toBeLessThan(LEASE_MS + 5_000);
    expect(receipts.map(({ duplicate }) => duplicate).filter(Boolean)).toEqual([]);
    expect(ann.states.join('\n')).toContain('closed 4001');
    expect([await isReady(cut), await isReady(other)]).toEqual([false, true]);
    const refused = await RawSession.connect({
      url: cut.node.socketUrl,
      token: await tokenFor('ben'),
      device: 'phone' as DeviceId,
      timers: systemTimers,
    });
    expect(refused).toMatchObject({ ok: false, error: { kind: 'refused', error: { code: 'overloaded' } } });
    cut.way.release();
    await until('it is ready again', () => isReady(cut));
    await cluster.untilSpread(PARTITIONS);
    const ben = await connect('ben', [cut]);
    const { conversation } = await ben.client.create({ kind: 'group', members: [] });
    await ben.client.send(conversation, 'it works again');
    expect(cut.node.log()).toContain('this node has its lease again and takes clients');
    for (const room of rooms) {
      const { messages } = await ann.client.history(room, { direction: 'backward', limit: 10 });
      expect(messages.filter(({ type }) => type === 'text')).toHaveLength(1);
    }
  }, 60_000);

  it('keeps its sockets when it is the only one: they are used again as soon as Redis is back', async () => {
    const alone = await add();
    const ann = await connect('ann', [alone]);
    const { conversation } = await ann.client.create({ kind: 'group', members: [] });
    alone.way.hold();
    const receipt = ann.client.send(conversation, 'does anybody hear me?');
    await until('its lease is over', async () => {
      const answer = await fetch(`${alone.node.httpUrl}/readyz`);
      return (await answer.text()).includes('the lease of this node has run out');
    });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    alone.way.release();
    await receipt;
    expect(ann.states).toEqual([]);
  }, 60_000);

  it('keeps its sockets when no other node reaches Redis either', async () => {
    const both = [await add(), await add()];
    await cluster.untilSpread(PARTITIONS);
    const devices = await Promise.all(both.map((node, index) => connect(`user-${String(index)}`, [node])));
    for (const { way } of both) way.hold();
    await until('the leases are over', async () => {
      const answers = await Promise.all(both.map(({ node }) => fetch(`${node.httpUrl}/readyz`)));
      const texts = await Promise.all(answers.map((answer) => answer.text()));
      return texts.every((text) => text.includes('the lease of this node has run out'));
    });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (const { way } of both) way.release();
    await Promise.all(devices.map(({ client }) => client.create({ kind: 'group', members: [] })));
    expect(devices.map(({ states }) => states)).toEqual([[], []]);
  }, 60_000);
});
