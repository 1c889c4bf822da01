import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { MillraceCluster, SteadyLoad, USERS } from './support/millrace-cluster.ts';
import { until } from './support/until.ts';

const PARTITIONS = 16;
const LEASE_MS = 2_000;
const ENV = {
  MILLRACE_PARTITIONS: String(PARTITIONS),
  MILLRACE_LEASE_MS: String(LEASE_MS),
  MILLRACE_DRAIN_MS: '300',
  MILLRACE_LOG_LEVEL: 'info',
};

describe('a cluster of three nodes', () => {
  const redis = testRedis();
  let cluster: MillraceCluster;
  const open: Device[] = [];
  beforeEach(async () => {
    await redis.flush();
    cluster = new MillraceCluster(redis.url, ENV);
    for (let count = 0; count < 3; count += 1) await cluster.add();
    await cluster.untilSpread(PARTITIONS);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(({ client }) => client.close()));
    await cluster.stop();
  });

  /** A device that goes to the node of that number first, and to another one when it must. */
  const connect = async (at: number, user: string): Promise<Device> => {
    let first = cluster.nodes[at]?.socketUrl;
    const connected = await device(() => {
      const address = first ?? cluster.nextSocketUrl();
      first = undefined;
      return Promise.resolve(address);
    }, user);
    open.push(connected);
    return connected;
  };

  it('brings what a user does on one node to devices on every other one, live (I6)', async () => {
    const [ann, ben, cleo] = await Promise.all([connect(0, 'ann'), connect(1, 'ben'), connect(2, 'cleo')]);
    const events: string[] = [];
    for (const [name, { client }] of Object.entries({ ann, ben, cleo })) {
      client.on('typing', ({ user }) => events.push(`${name} sees ${user} type`));
      client.on('receipt', ({ user, readSeq }) => events.push(`${name} sees ${user} at ${String(readSeq)}`));
    }
    for (let room = 0; room < 8; room += 1) {
      const conversation = `room-${String(room)}` as ConversationId;
      await ann.client.create({ kind: 'group', conversation, members: ['ben', 'cleo'] as UserId[] });
      await until('ben knows the room', () =>
        ben.client.conversationList().some((known) => known.conversation === conversation),
      );
      const { seq } = await ben.client.send(conversation, `hello from ben`);
      await until('everyone hears it', () =>
        [ann, cleo].every(({ heard }) => (heard.get(conversation) ?? []).some((message) => message.seq === seq)),
      );
      events.length = 0;
      await cleo.client.read(conversation);
      cleo.client.typing(conversation);
      await until('the others see cleo read and type', () =>
        ['ann', 'ben'].every(
          (name) => events.includes(`${name} sees cleo at ${String(seq)}`) && events.includes(`${name} sees cleo type`),
        ),
      );
    }
    expect([ann, ben, cleo].map(({ client }) => client.state)).toEqual(['live', 'live', 'live']);
  }, 60_000);

  it('goes on when a node is killed, loses, repeats and skips nothing, and every device has all of it (I1, I3, I4, I6)', async () => {
    const devices = await Promise.all(USERS.map((user, index) => connect(index % 3, user)));
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(300);
    const [victim] = cluster.nodes;
    if (victim === undefined) throw new Error('there are nodes');
    cluster.forget(victim);
    await victim.kill('SIGKILL');
    await load.untilMore(300);
    await cluster.untilSpread(PARTITIONS);
    await load.untilMore(300);
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    const pauseMs = load.pauseMsMax;
    await untilComplete(devices, load);
    expect(pauseMs).toBeLessThan(LEASE_MS + 2_000);
  }, 120_000);

  it('takes a node in and lets one go under load, and no client sees an error (I3, I4)', async () => {
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(300);
    const added = await cluster.add();
    expect(await cluster.untilSpread(PARTITIONS)).toEqual([4, 4, 4, 4]);
    await load.untilMore(300);
    expect(load.refused).toEqual({});
    const [leaving] = cluster.nodes;
    if (leaving === undefined) throw new Error('there are nodes');
    cluster.forget(leaving);
    expect(await leaving.stop()).toBe(0);
    await cluster.untilSpread(PARTITIONS);
    await load.untilMore(300);
    // Whoever was connected to the node that went had to connect elsewhere; nobody was refused anything.
    expect(load.refused).toEqual({});
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
    expect(await cluster.owned(added)).toBeGreaterThan(4);
  }, 120_000);

  it('does without a node that stands still, and is not harmed when that one wakes (I2)', async () => {
    const load = await SteadyLoad.start(cluster);
    await load.untilMore(200);
    const [sleeper] = cluster.nodes;
    if (sleeper === undefined) throw new Error('there are nodes');
    await sleeper.kill('SIGSTOP');
    cluster.forget(sleeper);
    await cluster.untilSpread(PARTITIONS);
    await load.untilMore(300);
    await sleeper.kill('SIGCONT');
    cluster.nodes.push(sleeper);
    await cluster.untilSpread(PARTITIONS);
    await load.untilMore(300);
    expect(await load.findings()).toEqual({ lost: [], duplicated: [], gaps: [] });
  }, 120_000);
});

/** Waits until each device was told of every message of every room, and holds them against each other. */
async function untilComplete(devices: readonly Device[], load: SteadyLoad): Promise<void> {
  const acked = new Map<ConversationId, Set<number>>();
  for (const { conversation, seq } of load.senders.flatMap(({ acknowledged }) => acknowledged)) {
    acked.set(conversation, (acked.get(conversation) ?? new Set<number>()).add(seq));
  }
  const missing = (): number =>
    devices.reduce((sum, { heard }) => {
      for (const [conversation, seqs] of acked) {
        const seen = new Set((heard.get(conversation) ?? []).map(({ seq }) => Number(seq)));
        sum += [...seqs].filter((seq) => !seen.has(seq)).length;
      }
      return sum;
    }, 0);
  await until('every device has every message', () => missing() === 0);
  for (const { heard } of devices) {
    for (const messages of heard.values()) {
      const seqs = messages.map(({ seq }) => Number(seq));
      expect(seqs).toEqual(Array.from(seqs, (_, index) => (seqs[0] ?? 0) + index));
    }
  }
}
