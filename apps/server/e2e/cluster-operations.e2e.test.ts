import type { UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { partitionOf } from '@millrace/partition';
import { userKey } from '@millrace/timeline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpCaller, scopedKeysVariable, type HttpCaller } from './support/http-caller.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { PlainSocket } from './support/plain-socket.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 12;
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: '10000',
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_API_KEYS: scopedKeysVariable,
};

interface Told {
  readonly version: number;
  readonly asked: string;
  readonly owners: readonly string[];
  readonly members: readonly {
    readonly name: string;
    readonly run: string;
    readonly roles: readonly string[];
    readonly draining: boolean;
    readonly url: string;
    readonly socketUrl: string;
    readonly owned: number;
    readonly status: {
      readonly viewVersion: number;
      readonly coordinator: string | null;
      readonly usersAttached: number;
      readonly partitions: readonly { readonly partition: number; readonly serving: boolean }[];
    } | null;
  }[];
  readonly unserved: readonly number[];
}

interface Sessions {
  readonly sessions: readonly { readonly session: string; readonly node: string; readonly device: string }[];
  readonly missing: readonly string[];
}

/** Two nodes that do everything, and one that only owns partitions. Every answer is held against the document. */
describe('a cluster of three nodes, for an operator', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  /** Asks the node of that number. */
  const at =
    (index: number): HttpCaller =>
    (...question) =>
      httpCaller(() => cluster.nodes[index]?.httpUrl ?? '')(...question);
  const look = async (index: number): Promise<Told> =>
    (await at(index)('GET', '/api/v1/cluster')).json as unknown as Told;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, ENV);
    for (const roles of ['gateway,actors,jobs', 'gateway,actors,jobs', 'actors'])
      await cluster.add({ MILLRACE_ROLES: roles });
    await cluster.untilSpread(PARTITIONS);
  });
  afterAll(async () => {
    await cluster.stop();
  });

  it('is told by every node, and by all of them alike', async () => {
    await until('every node has the same view', async () => {
      const told = await Promise.all([look(0), look(1), look(2)]);
      return told.every(
        ({ version, members, unserved }) =>
          version === told[0].version && unserved.length === 0 && members.every(({ status }) => status !== null),
      );
    });
    const told = await Promise.all([look(0), look(1), look(2)]);
    expect(told.map(({ asked }) => asked)).toEqual(['node-1', 'node-2', 'node-3']);
    for (const { members, owners } of told) {
      expect(members.map(({ name, owned, draining }) => [name, owned, draining])).toEqual([
        ['node-1', 4, false],
        ['node-2', 4, false],
        ['node-3', 4, false],
      ]);
      expect(members.map(({ url }) => url)).toEqual(cluster.nodes.map(({ httpUrl }) => httpUrl));
      expect(members[2]?.roles).toEqual(['actors']);
      const coordinators = new Set(members.map(({ status }) => status?.coordinator));
      expect(coordinators.size).toBe(1);
      for (const { name, status } of members) {
        const theirs = owners.flatMap((owner, partition) => (owner === name ? [partition] : []));
        expect(status?.partitions.map(({ partition }) => partition).sort((a, b) => a - b)).toEqual(theirs);
      }
    }
    const refused = await at(0)('GET', '/api/v1/cluster', { key: 'reader' });
    expect([refused.status, refused.code]).toEqual([403, 'forbidden']);
  });

  it('tells a client that begins at a node without sockets where others have them', async () => {
    const told = await Promise.all(Array.from({ length: 30 }, () => at(2)('GET', '/api/v1/endpoints', { key: null })));
    const sockets = cluster.nodes.slice(0, 2).map(({ socketUrl }) => socketUrl);
    expect([...new Set(told.map(({ json }) => json['websocket']))].sort()).toEqual(sockets.sort());
    expect((await look(0)).members.map(({ socketUrl }) => socketUrl)).toEqual([
      cluster.nodes[0]?.socketUrl,
      cluster.nodes[1]?.socketUrl,
      '',
    ]);
  });

  it('tells each user the sockets of the node where they live, whichever is asked, or of one that has some', async () => {
    const { owners } = await look(0);
    const homes = new Map(
      cluster.nodes.slice(0, 2).map(({ socketUrl }, index) => [`node-${String(index + 1)}`, socketUrl]),
    );
    const met = new Set<string>();
    for (const user of Array.from({ length: 24 }, (_, index) => `resident-${String(index)}` as UserId)) {
      const owner = owners[partitionOf(userKey(user), PARTITIONS)] ?? '';
      const home = homes.get(owner);
      met.add(owner);
      for (const asked of [0, 1, 2]) {
        const told = await at(asked)('GET', `/api/v1/endpoints?user=${user}`, { key: null });
        const here = cluster.nodes[asked]?.socketUrl;
        // Nobody can be sent to a node without sockets: then it is the one that was asked, or any from there.
        if (home !== undefined || asked < 2) expect(told.json['websocket']).toBe(home ?? here);
        else expect([...homes.values()]).toContain(told.json['websocket']);
      }
    }
    expect([...met].sort()).toEqual(['node-1', 'node-2', 'node-3']);
  });

  it('lists the sessions of a user on all nodes, and closes them from any, also one without sockets', async () => {
    const token = await tokenFor('carol');
    const phone = await PlainSocket.connect(cluster.nodes[0]?.socketUrl ?? '', token, 'phone');
    const laptop = await PlainSocket.connect(cluster.nodes[1]?.socketUrl ?? '', token, 'laptop');
    const watch = await PlainSocket.connect(cluster.nodes[1]?.socketUrl ?? '', token, 'watch');
    const path = '/api/v1/users/carol/sessions';
    const listed = (await at(2)('GET', path)).json as unknown as Sessions;
    expect(listed.sessions.map(({ node, device }) => [node, device]).sort()).toEqual([
      ['node-1', 'phone'],
      ['node-2', 'laptop'],
      ['node-2', 'watch'],
    ]);
    expect(listed.missing).toEqual([]);
    const ofWatch = listed.sessions.find(({ device }) => device === 'watch')?.session ?? '';
    expect(await at(0)('DELETE', `${path}/${ofWatch}`)).toMatchObject({ status: 200, json: { closed: 1 } });
    expect((await watch.closed).code).toBe(4202);
    expect(await at(0)('DELETE', `${path}/${ofWatch}`)).toMatchObject({ status: 404, code: 'not_found' });
    expect(await at(2)('DELETE', path)).toMatchObject({ status: 200, json: { closed: 2 } });
    expect([(await phone.closed).code, (await laptop.closed).code]).toEqual([4202, 4202]);
    expect((await at(1)('GET', path)).json['sessions']).toEqual([]);
  });

  it('says of which node nothing was heard, and never that everything was closed then', async () => {
    const phone = await PlainSocket.connect(cluster.nodes[0]?.socketUrl ?? '', await tokenFor('dan'), 'phone');
    const path = '/api/v1/users/dan/sessions';
    const sleeper = cluster.nodes[1];
    await sleeper?.kill('SIGSTOP');
    try {
      const listed = await at(0)('GET', path);
      expect(listed).toMatchObject({ status: 200, json: { sessions: [{ node: 'node-1' }], missing: ['node-2'] } });
      const closed = await at(0)('DELETE', path);
      expect(closed).toMatchObject({ status: 503, code: 'unavailable' });
      expect(closed.text).toContain('node-2');
      expect((await phone.closed).code).toBe(4202);
    } finally {
      await sleeper?.kill('SIGCONT');
    }
    await until('all nodes answer', async () => (await at(0)('DELETE', path)).status === 200);
  });

  it('has one session of a device: the one that was opened last, on whichever node', async () => {
    for (let user = 0; user < 6; user += 1) {
      const token = await tokenFor(`mover-${String(user)}`);
      let before: PlainSocket | null = null;
      for (let move = 0; move < 4; move += 1) {
        const next = await PlainSocket.connect(cluster.nodes[move % 2]?.socketUrl ?? '', token, 'phone');
        const other = await PlainSocket.connect(
          cluster.nodes[move % 2]?.socketUrl ?? '',
          token,
          `tablet-${String(move)}`,
        );
        if (before !== null) expect((await before.closed).code).toBe(4303);
        expect(next.isClosed).toBe(false);
        before = next;
        other.cut();
      }
      before?.cut();
    }
  });

  it('has one session of a device also when two nodes open one at the same time', async () => {
    for (let user = 0; user < 12; user += 1) {
      const name = `twin-${String(user)}`;
      const token = await tokenFor(name);
      const path = `/api/v1/users/${name}/sessions`;
      const sockets = await Promise.all([0, 1].map((node) => PlainSocket.open(cluster.nodes[node]?.socketUrl ?? '')));
      for (const socket of sockets) socket.send(JSON.stringify({ t: 'connect', id: 1, token, device: 'phone' }));
      await until('one of the two has gone', () => sockets.filter(({ isClosed }) => isClosed).length === 1);
      const [gone, stays] = sockets[0]?.isClosed === true ? sockets : sockets.toReversed();
      expect((await gone?.closed)?.code).toBe(4303);
      await stays?.until(({ t }) => t === 'connected');
      const listed = (await at(2)('GET', path)).json as unknown as Sessions;
      expect(listed.sessions.map(({ device }) => device)).toEqual(['phone']);
      stays?.cut();
    }
  });

  it('names a node that stands still as silent, and what it had as unserved', async () => {
    const sleeper = cluster.nodes[2];
    if (sleeper === undefined) throw new Error('there are nodes');
    await sleeper.kill('SIGSTOP');
    try {
      const { members, unserved, owners } = await look(0);
      expect(members.map(({ status }) => status === null)).toEqual([false, false, true]);
      expect(unserved).toEqual(owners.flatMap((owner, partition) => (owner === 'node-3' ? [partition] : [])));
      expect(unserved).toHaveLength(4);
    } finally {
      await sleeper.kill('SIGCONT');
    }
    await cluster.untilSpread(PARTITIONS);
  });
});
