import { testRedis } from '@millrace/local-redis/testing';
import { actorKey, APartition, appending, at, head, nowhere, texts } from '@millrace/partition/conformance';
import { ByteBudget, type Position, type TimelineEntry } from '@millrace/timeline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RedisStores } from './redis-stores.ts';
import { openRedisStores, underTest } from './testing/open-stores.ts';

const redis = testRedis();
const room = actorKey('c:room');
const KEY = '{p7}:t:c:room';
let stores: RedisStores;
let partition: APartition;

async function open(storeFormat: 1 | 3): Promise<void> {
  stores = await openRedisStores(redis.url, { storeFormat });
  partition = new APartition(underTest(stores, redis));
  await partition.claim();
}

beforeEach(async () => {
  await redis.flush();
  await open(3);
});
afterEach(() => {
  stores.close();
});

const kind = async (): Promise<string> => String(await redis.call('TYPE', KEY));
const bytes = async (): Promise<number> => Number(await redis.call('MEMORY', 'USAGE', KEY));
const read = (from: number, to: number, limit: number, direction: 'forward' | 'backward', budget?: ByteBudget) =>
  stores.timelines.range(partition.id, room, {
    ...{ from: at(1, from), to: at(1, to), limit, direction },
    ...(budget === undefined ? {} : { budget }),
  });
const seqs = (entries: readonly TimelineEntry[]): readonly number[] => entries.map(({ seq }) => seq);

/** Entries that are appended by one commit, how many stay behind it if it trims, and whether a generation begins by it. */
const step = fc.record({
  sizes: fc.array(fc.nat({ max: 200 }), { maxLength: 6 }),
  kept: fc.option(fc.nat({ max: 8 }), { freq: 3 }),
  isNewer: fc.boolean(),
});
const query = fc.record({
  from: fc.nat({ max: 40 }),
  length: fc.nat({ max: 40 }),
  limit: fc.integer({ min: 1, max: 20 }),
  direction: fc.constantFrom('forward', 'backward'),
});

interface Kept extends Position {
  readonly data: string;
}

const textOf = ({ gen, seq, data }: Kept): string => `${String(gen)}-${String(seq)} ${data}`;
/** As the head of the Timeline would tell. */
const genOf = (model: readonly Kept[], seq: number): number =>
  (model.find((entry) => entry.seq >= seq) ?? model.at(-1))?.gen ?? 1;

describe('a Timeline', () => {
  it('begins as a text, and with one message takes little more than half of what a stream takes', async () => {
    const message = 'x'.repeat(270);
    await partition.stored([appending(room, nowhere, [message])]);
    expect(await kind()).toBe('string');
    const short = await bytes();
    await redis.call('XADD', `${KEY}2`, '1-1', 'e', message);
    expect(short).toBeLessThan(0.6 * Number(await redis.call('MEMORY', 'USAGE', `${KEY}2`)));
    expect(await partition.entries(room)).toEqual([`1-1 ${message}`]);
  });

  it('becomes a stream with the first entry that makes it too long, and has the same entries', async () => {
    const entries = ['x'.repeat(200), 'y'.repeat(200), 'z'.repeat(200)];
    for (const [index, entry] of entries.entries()) {
      expect(await kind()).toBe(index === 0 ? 'none' : 'string');
      await partition.stored([appending(room, index === 0 ? nowhere : at(1, index), [entry])]);
    }
    expect(await kind()).toBe('stream');
    expect(await partition.entries(room)).toEqual(entries.map((entry, index) => `1-${String(index + 1)} ${entry}`));
    await partition.stored([appending(room, at(1, 3), ['more'])]);
    expect((await partition.entries(room)).at(-1)).toBe('1-4 more');
  });

  it('becomes one with its seventeenth entry, however small they are', async () => {
    await partition.stored([appending(room, nowhere, Array<string>(16).fill(''))]);
    expect(await kind()).toBe('string');
    await partition.stored([appending(room, at(1, 16), ['more'])]);
    expect(await kind()).toBe('stream');
    expect(await partition.entries(room)).toHaveLength(17);
  });

  it('becomes one when a generation begins far behind it, so that what comes behind finds one', async () => {
    await partition.stored([appending(room, nowhere, ['one'])]);
    await partition.stored([appending(room, at(1, 1), [], { head: head(2, 40) })]);
    expect(await kind()).toBe('stream');
    await partition.stored([appending(room, at(2, 40), ['more'])]);
    expect(await partition.entries(room)).toEqual(['1-1 one', '2-41 more']);
  });

  it('is a stream at once with what is too long for a text, and in a store that was born before there were texts', async () => {
    await partition.stored([appending(room, nowhere, ['x'.repeat(600)])]);
    expect(await kind()).toBe('stream');
    await redis.flush();
    stores.close();
    await open(1);
    await partition.stored([appending(room, nowhere, ['one'])]);
    expect(await kind()).toBe('stream');
  });

  it('is made a stream by a node that is to write no texts, if it is one, and goes on', async () => {
    await partition.stored([appending(room, nowhere, ['one'])]);
    expect(await kind()).toBe('string');
    stores.close();
    const { commitNo } = partition;
    await open(1);
    partition.commitNo = commitNo;
    await partition.stored([appending(room, at(1, 1), [], { set: [['a', 'b']] })]);
    await partition.stored([appending(room, at(1, 1), ['two'])]);
    expect(await kind()).toBe('stream');
    expect(await partition.entries(room)).toEqual(['1-1 one', '1-2 two']);
  });

  it('is not made by a head that moves far before anything was appended', async () => {
    await partition.stored([appending(room, nowhere, [], { head: head(1, 0) })]);
    await partition.stored([appending(room, at(1, 0), [], { head: head(2, 40) })]);
    expect(await kind()).toBe('none');
  });

  it('has any bytes as they are, also those that look like its own', async () => {
    const all = [
      ...[0xa3, 0xbf, 0xd9, 0xda, 0xdb, 0xc0, 0x80, 0xff].map((byte) => Uint8Array.of(byte, 0x31, 0x2d, 0x31)),
      ...[0, 31, 32, 255].map((size) => new Uint8Array(size).fill(0xa3)),
    ];
    await partition.stored([appending(room, nowhere, [''], { entries: all, head: head(1, all.length) })]);
    expect(await kind()).toBe('string');
    const datas = async () => (await read(1, 99, 99, 'forward')).map(({ data }) => [...data]);
    expect(await datas()).toEqual(all.map((data) => [...data]));
    const large = new Uint8Array(256).fill(0xd9);
    await partition.stored([
      appending(room, at(1, all.length), [''], { entries: [large], head: head(1, all.length + 1) }),
    ]);
    expect(await kind()).toBe('stream');
    expect(await datas()).toEqual([...all, large].map((data) => [...data]));
  });

  it('that is a text is read in both directions, in pages, and as far as a budget reaches', async () => {
    await partition.stored([appending(room, nowhere, ['a', 'b', 'c', 'd', 'e'])]);
    expect(seqs(await read(2, 4, 10, 'forward'))).toEqual([2, 3, 4]);
    expect(seqs(await read(2, 4, 2, 'forward'))).toEqual([2, 3]);
    expect(seqs(await read(2, 4, 10, 'backward'))).toEqual([4, 3, 2]);
    expect(seqs(await read(2, 4, 2, 'backward'))).toEqual([4, 3]);
    expect(seqs(await read(6, 9, 10, 'forward'))).toEqual([]);
    expect(seqs(await read(60, 90, 10, 'backward'))).toEqual([]);
    expect(seqs(await read(1, 5, 5, 'forward', new ByteBudget(2)))).toEqual([1, 2]);
  });

  it('that is a text loses its beginning by a trim, and is gone when all of it went', async () => {
    await partition.stored([appending(room, nowhere, ['a', 'b', 'c'])]);
    await partition.stored([appending(room, at(1, 3), [], { trimBefore: at(1, 3) })]);
    expect([await kind(), await partition.entries(room)]).toEqual(['string', ['1-3 c']]);
    await partition.stored([appending(room, at(1, 3), ['d'], { trimBefore: at(1, 5) })]);
    expect([await kind(), await partition.entries(room)]).toEqual(['none', []]);
    await partition.stored([appending(room, at(1, 4), ['e'])]);
    expect(await partition.entries(room)).toEqual(['1-5 e']);
  });

  it('is not begun where a stranger has put a text, which stays as it is', async () => {
    await redis.call('SET', KEY, 'of a stranger');
    expect((await partition.send(partition.next([appending(room, nowhere, ['one'])]))).code).toBe('unknown');
    expect(await redis.call('GET', KEY)).toBe('of a stranger');
    await expect(read(1, 9, 9, 'forward')).rejects.toThrow(/could not read the Timeline of c:room/);
  });

  it('has what was appended and not trimmed, in whatever form it was on the way', async () => {
    const forms = new Set<string>();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.array(query), async (steps, queries) => {
        run += 1;
        const actor = actorKey(`c:room${String(run)}`);
        let model: readonly Kept[] = [];
        let last = nowhere;
        for (const { sizes, kept, isNewer } of steps) {
          const next = at(Math.max(1, last.gen) + (isNewer ? 1 : 0), last.seq + sizes.length);
          const entries = sizes.map((size, index) => String(index).repeat(size));
          const before = last.seq;
          model = [...model, ...entries.map((data, index) => ({ ...at(next.gen, before + index + 1), data }))];
          let trimBefore: Position | null = null;
          if (kept !== null && next.seq > 0) {
            model = model.slice(Math.max(0, model.length - kept));
            trimBefore = model[0] ?? at(next.gen, next.seq + 1);
          }
          await partition.stored([appending(actor, last, entries, { head: head(next.gen, next.seq), trimBefore })]);
          last = next;
          forms.add(String(await redis.call('TYPE', `{p7}:t:${actor}`)));
          expect(await partition.entries(actor)).toEqual(model.map(textOf));
        }
        for (const { from, length, limit, direction } of queries) {
          const to = from + length;
          const wanted = model.filter(({ seq }) => seq >= from && seq <= to);
          if (direction === 'backward') wanted.reverse();
          const range = { from: at(genOf(model, from), from), to: at(genOf(model, to), to), limit, direction };
          const found = await stores.timelines.range(partition.id, actor, range);
          expect(texts(found)).toEqual(wanted.slice(0, limit).map(textOf));
        }
      }),
      { numRuns: 60 },
    );
    expect([...forms].sort()).toEqual(['none', 'stream', 'string']);
  });
});
