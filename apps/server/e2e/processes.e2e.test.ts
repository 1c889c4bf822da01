import { request } from 'node:http';
import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { loadableEngines } from './support/engines.ts';
import { httpCaller, scopedKeys, scopedKeysVariable } from './support/http-caller.ts';
import { MillraceCluster, SteadyLoad, USERS, type ClusterNode } from './support/millrace-cluster.ts';
import { PlainSocket } from './support/plain-socket.ts';
import { allServe, left, pidsOf, servedTimes } from './support/process-group.ts';
import { parseMetrics, sumOf } from './support/prometheus.ts';
import { compare, connectAs, readAll } from './support/read-back.ts';
import { tokenFor } from './support/test-tokens.ts';
import { until } from './support/until.ts';

const PARTITIONS = 12;
const LEASE_MS = 10_000;
const DRAIN_MS = 1_000;
const PROCESSES = 3;
const NAMES = ['node-1-1', 'node-1-2', 'node-1-3'];
const ENV = {
  MILLRACE_PROCESSES: String(PROCESSES),
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: String(LEASE_MS),
  MILLRACE_DRAIN_MS: String(DRAIN_MS),
  MILLRACE_API_KEYS: scopedKeysVariable,
};

interface Told {
  readonly members: readonly { readonly name: string; readonly url: string; readonly socketUrl: string }[];
  readonly unserved: readonly number[];
}

/** A backend's request over a connection of its own. @returns the status, 0 when there was no answer. */
const statusOf = (url: string): Promise<number> =>
  new Promise((resolve) => {
    const headers = { authorization: `Bearer ${scopedKeys.reader}` };
    const asked = request(url, { agent: false, headers }, (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode ?? 0);
      });
    });
    asked.on('error', () => {
      resolve(0);
    });
    asked.end();
  });

describe.each(loadableEngines)('three processes behind one port, on %s', (engine) => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  let server: ClusterNode;
  const open: Device[] = [];
  const ask = (...question: Parameters<ReturnType<typeof httpCaller>>) => httpCaller(() => server.httpUrl)(...question);

  beforeEach(async () => {
    await redis.flush();
    cluster = new MillraceCluster(redis.url, { ...ENV, MILLRACE_SOCKET_ENGINE: engine });
    server = await cluster.add();
    await until('all processes serve', () => allServe(server));
    await cluster.untilSpread(PARTITIONS);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
    await cluster.stop();
    expect(left(server)).toEqual([]);
  });

  const connect = async (user: string): Promise<Device> => {
    const connected = await device(server.socketUrl, user);
    open.push(connected);
    return connected;
  };
  const look = async (): Promise<Told> => (await ask('GET', '/api/v1/cluster')).json as unknown as Told;
  const metrics = async () => parseMetrics((await ask('GET', '/metrics', { key: 'scraper' })).text);
  const nodesOf = async (user: string): Promise<readonly string[]> => {
    const { sessions } = (await ask('GET', `/api/v1/users/${user}/sessions`)).json as unknown as {
      readonly sessions: readonly { readonly node: string }[];
    };
    return sessions.map(({ node }) => node);
  };

  it('are nodes of their own at one address, share the clients, and bring what one is told to all', async () => {
    const users = Array.from({ length: 30 }, (_, index) => `user-${String(index)}` as UserId);
    const devices = await Promise.all(users.map(connect));
    const [first] = devices;
    const conversation = 'hall' as ConversationId;
    await first?.client.create({ kind: 'group', conversation, members: users.slice(1) });
    await until('everybody knows the hall', () =>
      devices.every(({ client }) => client.conversationList().some((known) => known.conversation === conversation)),
    );
    const said = await Promise.all(
      devices.map(({ client }, index) => client.send(conversation, `I am ${String(index)}`)),
    );
    const seqs = said.map(({ seq }) => Number(seq)).sort((a, b) => a - b);
    await until('everybody hears everybody', () =>
      devices.every(({ heard }) => {
        const here = new Set((heard.get(conversation) ?? []).map(({ seq }) => Number(seq)));
        return seqs.every((seq) => here.has(seq));
      }),
    );
    const nodes = (await Promise.all(users.map(nodesOf))).flat();
    expect(nodes).toHaveLength(users.length);
    expect([...new Set(nodes)].sort()).toEqual(NAMES);
    const { members, unserved } = await look();
    expect(unserved).toEqual([]);
    expect(members.map(({ name, url, socketUrl }) => [name, url, socketUrl])).toEqual(
      NAMES.map((name) => [name, server.httpUrl, server.socketUrl]),
    );
  }, 60_000);

  it('show the metrics of all of them in one answer, whichever gives it', async () => {
    await cluster.untilSpread(PARTITIONS);
    for (let times = 0; times < PROCESSES; times += 1) {
      const samples = await metrics();
      const of = (name: string) => NAMES.map((process) => sumOf(samples, name, { process }));
      expect(of('millrace_partitions_serving')).toEqual([4, 4, 4]);
      expect(of('millrace_process_serving')).toEqual([1, 1, 1]);
      expect(of('millrace_process_ended_total')).toEqual([0, 0, 0]);
      expect(of('process_resident_memory_bytes').every((bytes) => bytes > 0)).toBe(true);
    }
  });

  it('go on when one is killed, which comes back; nothing is lost, repeated or missing (I1, I3, I4, I6)', async () => {
    const devices = await Promise.all(USERS.map(connect));
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(300);
    for (const name of NAMES) {
      const victim = pidsOf(server).get(name) ?? 0;
      process.kill(victim, 'SIGKILL');
      await until(`${name} is back`, () => servedTimes(server, name) === 2);
      expect(pidsOf(server).get(name)).not.toBe(victim);
      await load.untilMore(200);
    }
    await cluster.untilSpread(PARTITIONS);
    await load.untilMore(300);
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    const acked = load.senders.flatMap(({ acknowledged }) => acknowledged);
    await until('every device has every message', () =>
      devices.every(({ heard }) => {
        const here = new Set([...heard].flatMap(([room, all]) => all.map(({ seq }) => `${room} ${String(seq)}`)));
        return acked.every(({ conversation, seq }) => here.has(`${conversation} ${String(seq)}`));
      }),
    );
    expect((await look()).members.map(({ name }) => name)).toEqual(NAMES);
    expect(sumOf(await metrics(), 'millrace_process_ended_total')).toBe(PROCESSES);
    expect(server.log()).toContain('it was ended by SIGKILL');
  }, 120_000);

  it('let one stop alone, without a refusal of a message or of a request (I4)', async () => {
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(200);
    const statuses = new Map<number, number>();
    let isAsking = true;
    const asking = (async () => {
      while (isAsking) {
        const status = await statusOf(`${server.httpUrl}/api/v1/conversations/one`);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    })();
    for (const name of NAMES.slice(0, 2)) {
      process.kill(pidsOf(server).get(name) ?? 0, 'SIGTERM');
      await until(`${name} is back`, () => servedTimes(server, name) === 2);
      await cluster.untilSpread(PARTITIONS);
      await load.untilMore(200);
    }
    isAsking = false;
    await asking;
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(20);
    expect(load.refused).toEqual({});
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    expect(server.log()).toContain('a process has stopped; starting it again');
  }, 120_000);

  it('end together, in time and without an error for a client, and come back under their names (I1, I4)', async () => {
    const devices = await Promise.all(USERS.map(connect));
    const conversation = 'hall' as ConversationId;
    await devices[0]?.client.create({ kind: 'group', conversation, members: USERS.slice(1) as UserId[] });
    await until('everybody knows the hall', () =>
      devices.every(({ client }) => client.conversationList().some((known) => known.conversation === conversation)),
    );
    const acked: { user: string; n: number; gen: number; seq: number; text: string }[] = [];
    const errors: unknown[] = [];
    let isTalking = true;
    const talking = devices.map(async ({ client }, index) => {
      client.on('refused', ({ error }) => errors.push(error));
      for (let count = 1; isTalking; count += 1) {
        const text = `${String(index)} says ${String(count)}`;
        try {
          const { n, gen, seq } = await client.send(conversation, text);
          acked.push({ user: USERS[index] ?? '', n, gen, seq, text });
        } catch (error) {
          errors.push(error);
        }
      }
    });
    await until('all have talked', () => acked.length > 200);
    const atMs = performance.now();
    await server.kill('SIGTERM');
    expect(server.exitCode).toBe(0);
    expect(performance.now() - atMs).toBeLessThan(DRAIN_MS + 5_000);
    expect(left(server)).toEqual([]);
    await server.restart();
    await until('all processes serve again', () => NAMES.every((name) => servedTimes(server, name) === 2));
    const before = acked.length;
    await until('all talk again', () => acked.length > before + 200);
    await cluster.untilSpread(PARTITIONS);
    isTalking = false;
    await Promise.all(talking);
    expect(errors).toEqual([]);
    expect((await look()).members.map(({ name }) => name)).toEqual(NAMES);
    const session = await connectAs(server.socketUrl, 'ann', 'check');
    const all = acked.map((one) => ({ ...one, conversation, device: '', level: '' }) as never);
    const found = compare((await readAll(session, conversation)).slice(1), all);
    session.close();
    expect({ ...found, gaps: [] }).toEqual({ lost: [], duplicated: [], gaps: [] });
  }, 120_000);

  it('serve one another until the last client of all is gone', async () => {
    // A client that is told to go, and stays.
    const socket = await PlainSocket.connect(server.socketUrl, await tokenFor('ann'), 'phone');
    const gone = server.kill('SIGTERM');
    expect((await socket.closed).code).toBe(4000);
    expect(server.log()).not.toContain('"msg":"stopped"');
    await gone;
    expect(server.log().split('"msg":"stopped"')).toHaveLength(1 + PROCESSES + 1);
    expect(server.exitCode).toBe(0);
  });

  it('end at once at a second signal', async () => {
    // A client that is told to go, and stays.
    await PlainSocket.connect(server.socketUrl, await tokenFor('ann'), 'phone');
    const gone = server.kill('SIGTERM');
    await until('they stop', () => server.log().includes('"msg":"stopping"'));
    const insisting = setInterval(() => process.kill(server.pid, 'SIGTERM'), 100);
    await gone.finally(() => {
      clearInterval(insisting);
    });
    expect(server.exitCode).toBe(1);
    expect(server.log()).toContain('a second signal: ending at once');
    await until('nothing is left', () => left(server).length === 0);
  });
});
