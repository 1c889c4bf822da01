import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, head, nowhere } from '@millrace/partition/conformance';
import { StoreUnavailable } from '@millrace/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
let stores: RedisStores;
let partition: APartition;

beforeEach(async () => {
  await redis.flush();
  stores = await openRedisStores(redis.url);
  partition = new APartition(underTest(stores, redis));
  await partition.claim();
});
afterEach(() => {
  stores.close();
});

const room = (name: string) => actorKey(`r:${name}`);
const nothing = { expected: nowhere, head: head(0, 0), entries: [], trimBefore: null, unset: [] };
const written = (names: readonly string[]) =>
  partition.stored(
    names.map((name) => ({
      ...{ actor: room(name), ...nothing },
      set: [
        ['name', name],
        ['bytes', Uint8Array.of(0, 200, 255)],
      ] as const,
    })),
  );
const read = async (name: string, fields: readonly string[]) =>
  [...(await stores.records.fields(partition.id, room(name), fields))].map(([field, value]) => [field, [...value]]);
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const commandsOf = async (name: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(String(await redis.call('INFO', 'commandstats')))?.[1] ?? 0);

describe('reads of records', () => {
  it('of one turn go together, and each is told what is there of what it asked for', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `room ${String(index)} ☂`);
    await written(names);
    const before = await commandsOf('fcall_ro');
    const asked = ['none', 'bytes', 'name', 'none either'];
    const found = await Promise.all([...names, 'nowhere'].map((name) => read(name, asked)));
    expect(found).toEqual([
      ...names.map((name) => [
        ['bytes', [0, 200, 255]],
        ['name', bytesOf(name)],
      ]),
      [],
    ]);
    // So many fields in each call.
    expect((await commandsOf('fcall_ro')) - before).toBe(2);
  });

  it('of one record, or of very many fields, are as good', async () => {
    await written(['a', 'b']);
    expect(await read('a', ['bytes'])).toEqual([['bytes', [0, 200, 255]]]);
    const many = Array.from({ length: 6_000 }, (_, index) => `field ${String(index)}`);
    const [one, other] = await Promise.all([read('a', [...many, 'name']), read('b', [...many, 'name'])]);
    expect([one, other]).toEqual([[['name', bytesOf('a')]], [['name', bytesOf('b')]]]);
  });

  it('are not concerned by another one that cannot be read', async () => {
    await written(['a', 'b']);
    await redis.call('SET', '{p7}:r:other', 'of another type');
    const [before, broken, behind] = await Promise.allSettled([
      read('a', ['name']),
      read('other', ['name']),
      read('b', ['name']),
    ]);
    expect(before).toMatchObject({ value: [['name', bytesOf('a')]] });
    expect(behind).toMatchObject({ value: [['name', bytesOf('b')]] });
    expect(broken.status === 'rejected' && broken.reason instanceof StoreUnavailable).toBe(true);
  });
});
