import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, appending, nowhere } from '@millrace/partition/conformance';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { functionLibrary } from './function-library.ts';
import { inspectRedis } from './inspect-redis.ts';
import { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';
import { generation, sequenceId, systemClock, systemRandom, systemTimers, type NodeId } from '@millrace/kernel';
import { STORE_FORMAT } from '@millrace/partition';

const redis = testRedis();
const room = actorKey('c:room');
let stores: RedisStores;
let partition: APartition;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
  partition = new APartition(underTest(stores, redis));
  await partition.claim();
});
afterEach(async () => {
  stores.close();
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
});

describe('what Redis itself refuses', () => {
  it('over maxmemory is unavailable and changes nothing, while claims, releases and registrations go on', async () => {
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    const commit = partition.next([appending(room, nowhere, ['one'])]);
    expect((await partition.send(commit)).code).toBe('unavailable');
    const member = {
      name: 'a',
      node: 'a1' as NodeId,
      roles: ['actors' as const],
      isDraining: false,
      url: '',
      socketUrl: '',
    };
    const registered = await stores.cluster.register(member, 60_000, { version: 0, digest: '', settled: 0 });
    expect(registered).toMatchObject({ code: 'held' });
    await stores.partitions.release(partition.id, partition.token, partition.commitNo, 7);
    await stores.cluster.leave('a', 'a1' as NodeId);
    expect((await partition.claim()).found).toMatchObject({ commitNo: 0, releasedIn: 7 });
    await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    expect(await partition.load(room)).toEqual({ head: null, fields: new Map() });
    await partition.stored([appending(room, nowhere, ['one'])]);
  });

  it('over maxmemory is no commit that makes room: what has left for an archive goes', async () => {
    const other = new APartition(underTest(stores, redis), 8);
    await other.claim();
    await partition.stored([appending(room, nowhere, ['one', 'two', 'three'])]);
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    const third = { gen: generation(1), seq: sequenceId(3) };
    const trimming = appending(room, third, [], { trimBefore: third });
    const growing = appending(actorKey('c:other'), nowhere, ['one']);
    expect((await stores.partitions.commit(partition.next([trimming, growing]))).code).toBe('unavailable');
    // Beside one of another partition that only grows, in the same turn.
    const outcomes = await Promise.all([
      stores.partitions.commit(partition.next([trimming])),
      stores.partitions.commit(other.next([growing])),
    ]);
    expect(outcomes.map(({ code }) => code)).toEqual(['ok', 'unavailable']);
    await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    expect(await partition.entries(room)).toEqual(['1-3 three']);
  });

  it('for want of replicas is unavailable and changes nothing', async () => {
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
    expect((await partition.send(partition.next([appending(room, nowhere, ['one'])]))).code).toBe('unavailable');
    await redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
    expect(await partition.entries(room)).toEqual([]);
  });

  it('halfway through a commit is unknown, and does not concern the other commits of the call', async () => {
    const other = new APartition(underTest(stores, redis), 8);
    await other.claim();
    await redis.call('SET', '{p7}:t:c:room', 'of another type');
    const broken = partition.next([appending(room, nowhere, ['one'])]);
    const outcomes = await Promise.all([
      stores.partitions.commit(broken),
      stores.partitions.commit(other.next([appending(room, nowhere, ['one'])])),
    ]);
    expect(outcomes.map(({ code }) => code)).toEqual(['unknown', 'ok']);
    expect((await partition.claim()).found.commitNo).toBe(0);
  });
});

describe('ack level replicated', () => {
  it('without a replica that confirms is unknown, though the commit is in (I1)', async () => {
    const replicated = await openRedisStores(redis.url, { ackLevel: 'replicated', limits: { replicaMsMax: 20 } });
    const commit = partition.next([appending(room, nowhere, ['one'])]);
    expect((await replicated.partitions.commit(commit)).code).toBe('unknown');
    replicated.close();
    expect((await partition.send(commit)).code).toBe('dup');
  });
});

describe('the functions', () => {
  it('are loaded again when Redis has lost them, and the commit is executed once', async () => {
    await redis.call('FUNCTION', 'FLUSH');
    await partition.stored([appending(room, nowhere, ['one'])]);
    await redis.call('FUNCTION', 'FLUSH');
    expect((await partition.claim()).found.commitNo).toBe(1);
    await redis.call('FUNCTION', 'FLUSH');
    expect(await stores.cluster.lead('x', 'n' as NodeId, 60_000)).toMatchObject({ code: 'unregistered' });
    expect(await partition.entries(room)).toEqual(['1-1 one']);
  });

  it('of another version stay beside them', async () => {
    const other =
      "#!lua name=millrace_other\nredis.register_function('millrace_other_commit', function() return 1 end)";
    await redis.call('FUNCTION', 'LOAD', other);
    const second = await openRedisStores(redis.url);
    second.close();
    const names = JSON.stringify(await redis.call('FUNCTION', 'LIST'));
    expect(names).toContain('millrace_other_commit');
    expect(names).toContain(`${functionLibrary.name}_commit`);
    await redis.call('FUNCTION', 'DELETE', 'millrace_other');
  });
});

describe('a call', () => {
  it('carries the commits of one turn within the limits, and an idle pipe sends at once', async () => {
    const sent: { writes: number; bytes: number }[] = [];
    const answered: string[] = [];
    const observed = await openRedisStores(redis.url, {
      limits: { batchWritesMax: 12 },
      observer: {
        commitSent: (writes, bytes) => {
          sent.push({ writes, bytes });
        },
        commitAnswered: (code, ms) => {
          answered.push(`${code} ${String(ms >= 0)}`);
        },
      },
    });
    const owners = Array.from({ length: 10 }, (_, id) => new APartition(underTest(observed, redis), id));
    await Promise.all(owners.map((owner) => owner.claim()));
    await Promise.all(owners.map((owner) => owner.stored([appending(room, nowhere, ['one'])])));
    // Four writes a commit: owner, changefeed, record, entry.
    expect(sent.map(({ writes }) => writes)).toEqual([12, 12, 12, 4]);
    expect(answered).toEqual(Array.from({ length: 10 }, () => 'ok true'));
    observed.close();
  });
});

describe('an inspection', () => {
  it('tells version, role and settings of a Redis that is fit', async () => {
    const inspected = await inspectRedis(redis.url, 'memory');
    expect(inspected).toMatchObject({
      ok: true,
      value: {
        facts: {
          flavour: 'redis',
          cluster: false,
          role: 'master',
          appendOnly: true,
          settings: { maxMemoryPolicy: 'noeviction' },
        },
      },
    });
    if (!inspected.ok) return;
    expect(inspected.value.facts.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(inspected.value.findings.map(({ severity }) => severity)).not.toContain('refuse');
  });

  it('refuses ack level disk without appendfsync always, and so does connecting', async () => {
    const connected = await RedisStores.connect({
      url: redis.url,
      ackLevel: 'disk',
      storeFormat: STORE_FORMAT,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
    });
    expect(connected).toMatchObject({ ok: false, error: { code: 'unfit', findings: [{ code: 'not_durable' }] } });
    await redis.call('CONFIG', 'SET', 'appendfsync', 'always');
    const durable = await openRedisStores(redis.url, { ackLevel: 'disk' });
    durable.close();
    await redis.call('CONFIG', 'SET', 'appendfsync', 'everysec');
  });

  it('says so when CONFIG is not permitted', async () => {
    await redis.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '+@all', '-config');
    const limited = redis.url.replace('redis://', 'redis://limited:secret@');
    const inspected = await inspectRedis(limited, 'memory');
    expect(inspected).toMatchObject({
      ok: true,
      value: { facts: { settings: null } },
    });
  });

  it('of nothing is unavailable, and says why', async () => {
    const inspected = await inspectRedis('redis://127.0.0.1:1', 'memory');
    expect(inspected).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    if (!inspected.ok) expect(inspected.error.message).toContain('ECONNREFUSED');
  });
});
