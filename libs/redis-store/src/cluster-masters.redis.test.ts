import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partitionId, type NodeId } from '@millrace/kernel';
import {
  callRedis,
  describeLocalRedisError,
  startRedisCluster,
  type LocalRedis,
  type LocalRedisCluster,
  type RedisReply,
} from '@millrace/local-redis';
import { actorKey, APartition, appending, nowhere } from '@millrace/partition/conformance';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { keyLayout } from './key-layout.ts';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores } from './testing/open-stores.ts';

const PARTITIONS = 240;
const room = actorKey('c:room');
const layout = keyLayout('');

let dir = '';
let cluster: LocalRedisCluster | undefined;
let stores: RedisStores | undefined;

const redis = (index: number): LocalRedis => {
  const node = cluster?.nodes[index];
  if (node === undefined) throw new Error(`there is no Redis ${String(index)}`);
  return node;
};

const ask = async (index: number, ...args: readonly (string | number)[]): Promise<RedisReply> => {
  const reply = await callRedis(redis(index).endpoint, args);
  if (!reply.ok) throw new Error(reply.error.message);
  return reply.value;
};

/** How often something was called at a Redis so far. */
async function callsOf(index: number, command: string): Promise<number> {
  const stats = String(await ask(index, 'INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** The partitions that one of the three masters had at first. */
async function partitionsOf(master: number): Promise<readonly APartition[]> {
  const { partitions } = opened();
  const own: APartition[] = [];
  for (let id = 0; id < PARTITIONS; id += 1) {
    const slot = Number(await ask(0, 'CLUSTER', 'KEYSLOT', layout.owner(partitionId(id))));
    // As the slots were spread: a third for each.
    if (Math.floor((3 * slot) / 16_384) === master) own.push(new APartition({ partitions } as never, id));
  }
  return own;
}

const opened = (): RedisStores => {
  if (stores === undefined) throw new Error('it was opened');
  return stores;
};

const codeOf = async (partition: APartition): Promise<string> =>
  (await partition.send(partition.next([appending(room, nowhere, ['one'])]))).code;

/** Moves a slot with all its keys, as `redis-cli --cluster reshard` does. */
async function moveSlot(slot: number, from: number, to: number): Promise<void> {
  const [fromId, toId] = [String(await ask(from, 'CLUSTER', 'MYID')), String(await ask(to, 'CLUSTER', 'MYID'))];
  await ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  const keys = (await ask(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 100)) as readonly string[];
  await ask(from, 'MIGRATE', '127.0.0.1', redis(to).port ?? 0, '', 0, 5_000, 'KEYS', ...keys);
  for (const each of [to, from, 0]) await ask(each, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId);
}

/** Listens at a port, takes connections, and answers nothing. @returns what ends it. */
async function takePlaceOf(port: number): Promise<() => void> {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  const listens = (): Promise<boolean> =>
    new Promise((resolve) => {
      mute.once('error', () => {
        resolve(false);
      });
      mute.listen(port, '127.0.0.1', () => {
        resolve(true);
      });
    });
  // What was connected to it may hold the port for a moment.
  await vi.waitUntil(listens, 10_000);
  return () => {
    mute.close();
    for (const socket of sockets) socket.destroy();
  };
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mr-cm-'));
  const started = await startRedisCluster({ dir, nodeTimeoutMs: 1_000, processGroup: 'shared' });
  if (!started.ok) throw new Error(describeLocalRedisError(started.error));
  cluster = started.value;
  stores = await openRedisStores(cluster.url, { ackLevel: 'replicated' });
}, 120_000);
afterAll(async () => {
  stores?.close();
  await Promise.all((cluster?.nodes ?? []).map((node) => node.kill()));
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

describe('over a Redis Cluster at ack level replicated', () => {
  it('the commits of one turn wait for the replica of their master together', async () => {
    const partitions = await partitionsOf(1);
    await Promise.all(partitions.map((partition) => partition.claim()));
    const [waits, calls] = [await callsOf(1, 'wait'), await callsOf(1, 'fcall')];
    const codes = await Promise.all(partitions.map(codeOf));
    expect(new Set(codes)).toEqual(new Set(['ok']));
    // Four writes a commit, 200 a batch.
    const batches = Math.ceil((4 * partitions.length) / 200);
    expect((await callsOf(1, 'fcall')) - calls).toBe(batches);
    expect((await callsOf(1, 'wait')) - waits).toBe(batches);
    expect(await opened().health()).toMatchObject({ batchesInFlight: 0, queuedCommitBytes: 0 });
  });

  it('a partition whose slot has gone to another master holds up no other one of its call', async () => {
    const [stays, goes, alsoStays] = (await partitionsOf(1)).slice(0, 3) as [APartition, APartition, APartition];
    const together = [stays, goes, alsoStays];
    for (const partition of together) partition.commitNo = (await partition.claim()).found.commitNo;
    const codes = (room: string): Promise<readonly string[]> =>
      Promise.all(
        together.map(async (each) => (await each.send(each.next([appending(actorKey(room), nowhere, ['one'])]))).code),
      );
    expect(await codes('c:before')).toEqual(['ok', 'ok', 'ok']);
    await moveSlot(Number(await ask(0, 'CLUSTER', 'KEYSLOT', layout.owner(goes.id))), 1, 2);
    const before = await ask(2, 'HGET', layout.owner(goes.id), 'no');
    // Not known to the client yet.
    expect(await codes('c:moved')).toEqual(['ok', 'unknown', 'ok']);
    expect(await ask(2, 'HGET', layout.owner(goes.id), 'no')).toBe(before);
    // What came of it the owner finds out by a claim, and the client where the slot is: for a moment it looks anew.
    await goes.claim();
    let attempts = 0;
    await vi.waitUntil(async () => {
      attempts += 1;
      return (await codes(`c:behind${String(attempts)}`)).join() === 'ok,ok,ok';
    }, 5_000);
    expect(await ask(2, 'HGET', layout.owner(goes.id), 'no')).toBe(String(goes.commitNo));
  });

  it('a master that has no replica holds up no commit to another one', async () => {
    const [alone, whole] = [await partitionsOf(0), await partitionsOf(2)];
    await Promise.all([...alone, ...whole].map((partition) => partition.claim()));
    await redis(3).kill('SIGSTOP');
    const order: string[] = [];
    const sent = (partition: APartition, name: string): Promise<string> =>
      codeOf(partition).finally(() => order.push(name));
    // More than one batch, so that some of them only wait to be sent.
    const held = alone.map((partition) => sent(partition, 'alone'));
    const codes = await Promise.all(whole.map((partition) => sent(partition, 'whole')));
    expect(new Set(codes)).toEqual(new Set(['ok']));
    expect(order).not.toContain('alone');
    expect(new Set(await Promise.all(held))).toEqual(new Set(['unknown']));
    await redis(3).kill('SIGCONT');
  });

  it('the heir of a master is found though the place of that one is taken by something that says nothing', async () => {
    const [partition] = await partitionsOf(0);
    const reconnects = vi.fn();
    opened().onReconnect(reconnects);
    const port = redis(0).port ?? 0;
    await redis(0).kill('SIGKILL');
    const mute = await takePlaceOf(port);
    await vi.waitUntil(async () => String(await ask(3, 'ROLE')).startsWith('master'), 30_000);
    await vi.waitUntil(
      async () => (await opened().partitions.claim(partition?.id ?? partitionId(0), 'n' as NodeId, 0)).ok,
      { timeout: 5_000, interval: 20 },
    );
    // So that nobody who waits for it waits longer.
    expect(reconnects).toHaveBeenCalled();
    mute();
  }, 60_000);
});
