import { err, generation, partitionId, sequenceId, utf8, type ConversationId, type Generation } from '@millrace/kernel';
import {
  comparePositions,
  conversationKey,
  emptyHead,
  generationOf,
  inGeneration,
  StoreUnavailable,
  userKey,
  type Position,
  type RangeQuery,
  type TimelineEntry,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unavailable } from './archive-errors.ts';
import { MemoryArchive, MemoryArchiveDisk } from './testing/memory-archive.ts';
import { TieredTimelines } from './tiered-timelines.ts';

const room = 'room' as ConversationId;
const actor = conversationKey(room);
const home = partitionId(0);

/** A hot Timeline as the store has it: whatever of it was not trimmed. */
class Hot implements TimelineReader {
  entries: readonly TimelineEntry[] = [];
  /** Told before each read. */
  onRead: () => void = () => undefined;

  range(_partition: unknown, _actor: unknown, { from, to, limit, direction }: RangeQuery) {
    this.onRead();
    const found = this.entries.filter(
      (entry) => comparePositions(entry, from) >= 0 && comparePositions(entry, to) <= 0,
    );
    return Promise.resolve((direction === 'forward' ? found : found.toReversed()).slice(0, limit));
  }

  async at(partition: unknown, of: unknown, position: Position) {
    const query = { from: position, to: position, limit: 1, direction: 'forward' } as const;
    return (await this.range(partition, of, query))[0] ?? null;
  }
}

interface World {
  readonly head: TimelineHead;
  readonly all: readonly TimelineEntry[];
  readonly hot: Hot;
  readonly disk: MemoryArchiveDisk;
  readonly timelines: TimelineReader;
  /** Archives up to there, beginning behind what is archived, without a trim. */
  archive(upTo: number): Promise<void>;
  trim(upTo: number): void;
}

const entryAt = (gen: Generation, seq: number): TimelineEntry => ({
  gen,
  seq: sequenceId(seq),
  data: utf8(`${String(gen)}-${String(seq)}`),
});

/** @param lengths - of each generation, from the first on. */
function worldOf(lengths: readonly number[], pageEntries = 4): World {
  let head = emptyHead(generation(1));
  const all: TimelineEntry[] = [];
  lengths.forEach((length, index) => {
    head = inGeneration(head, generation(index + 1));
    for (let count = 0; count < length; count += 1) all.push(entryAt(head.gen, head.seq + 1 + count));
    head = { ...head, seq: sequenceId(head.seq + length) };
  });
  const hot = new Hot();
  hot.entries = all;
  const disk = new MemoryArchiveDisk();
  const archive = new MemoryArchive(disk);
  let archived = 0;
  return {
    head,
    all,
    hot,
    disk,
    timelines: new TieredTimelines({
      hot,
      archive,
      headOf: () => Promise.resolve(head),
      refused: () => undefined,
      limits: { pageEntries },
    }),
    async archive(upTo) {
      for (const { gen, seq, data } of all.slice(archived, upTo)) {
        const [outcome] = await archive
          .append([{ conversation: room, gen, first: seq, entries: [data] }])
          .then((appended) => (appended.ok ? appended.value : []));
        expect(outcome?.ok).toBe(true);
      }
      archived = Math.max(archived, upTo);
    },
    trim(upTo) {
      hot.entries = all.slice(upTo);
    },
  };
}

const shown = (entries: readonly TimelineEntry[]) =>
  entries.map(({ gen, seq, data }) => `${String(gen)}-${String(seq)} ${Buffer.from(data).toString()}`);

const positionAt = (head: TimelineHead, seq: number): Position => ({
  gen: generationOf(head, sequenceId(seq)) ?? head.gen,
  seq: sequenceId(seq),
});

const cases = fc.record({
  lengths: fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }).filter((lengths) => lengths.some((each) => each > 0)),
  archived: fc.nat(48),
  trimmed: fc.nat(48),
  ends: fc.tuple(fc.nat(1_000), fc.nat(1_000)),
  limit: fc.integer({ min: 1, max: 60 }),
  direction: fc.constantFrom('forward' as const, 'backward' as const),
  pageEntries: fc.integer({ min: 1, max: 9 }),
});

describe('a Timeline over two tiers', () => {
  it('answers every range as if all of it were in one, in both directions (I8)', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ lengths, archived, trimmed, ends, limit, direction, pageEntries }) => {
        const world = worldOf(lengths, pageEntries);
        const total = world.all.length;
        await world.archive(Math.min(archived, total));
        world.trim(Math.min(trimmed, archived, total));
        const [low = 1, high = 1] = ends.map((end) => 1 + (end % total)).sort((one, other) => one - other);
        const query = { from: positionAt(world.head, low), to: positionAt(world.head, high), limit, direction };
        const whole = world.all.slice(low - 1, high);
        const expected = (direction === 'forward' ? whole : whole.toReversed()).slice(0, limit);
        expect(shown(await world.timelines.range(home, actor, query))).toEqual(shown(expected));
        // Once more, with what was read kept.
        expect(shown(await world.timelines.range(home, actor, query))).toEqual(shown(expected));
        const one = await world.timelines.at(home, actor, query.from);
        expect(one === null ? null : shown([one])).toEqual(shown(world.all.slice(low - 1, low)));
      }),
    );
  });

  it('has no hole while entries go over between the two reads (I8)', async () => {
    const world = worldOf([40]);
    const query = { from: positionAt(world.head, 1), to: positionAt(world.head, 40), limit: 40 };
    let upTo = 0;
    for (const direction of ['forward', 'backward'] as const) {
      for (let round = 0; round < 6; round += 1) {
        upTo += 3;
        await world.archive(upTo);
        // Right before the hot Timeline is read, and right behind it.
        world.hot.onRead = () => {
          world.trim(upTo);
        };
        const entries = await world.timelines.range(home, actor, { ...query, direction });
        expect(entries.map(({ seq }) => seq).sort((one, other) => one - other)).toEqual(
          world.all.map(({ seq }) => seq),
        );
      }
    }
  });

  it('leaves out what the archive has and the Timeline has lost, also of a generation before', async () => {
    const world = worldOf([10]);
    await world.archive(10);
    // The store came back without the last four; another generation went on there.
    const lost = inGeneration({ ...world.head, seq: sequenceId(6) }, generation(2));
    const head = { ...lost, seq: sequenceId(9) };
    world.hot.entries = [7, 8, 9].map((seq) => entryAt(head.gen, seq));
    const timelines = new TieredTimelines({
      hot: world.hot,
      archive: new MemoryArchive(world.disk),
      headOf: () => Promise.resolve(head),
      refused: () => undefined,
    });
    const all = { from: positionAt(head, 1), to: positionAt(head, 9), limit: 20 };
    const expected = ['1-1', '1-2', '1-3', '1-4', '1-5', '1-6', '2-7', '2-8', '2-9'];
    const places = async (query: RangeQuery) =>
      (await timelines.range(home, actor, query)).map(({ gen, seq }) => `${String(gen)}-${String(seq)}`);
    expect(await places({ ...all, direction: 'forward' })).toEqual(expected);
    expect(await places({ ...all, direction: 'backward' })).toEqual(expected.toReversed());
    const lostOnes = { from: entryAt(generation(1), 7), to: entryAt(generation(1), 10), limit: 10 };
    expect(await places({ ...lostOnes, direction: 'forward' })).toEqual([]);
  });

  it('never looks for an inbox in the archive', async () => {
    const world = worldOf([3]);
    world.trim(3);
    const query = { from: positionAt(world.head, 1), to: positionAt(world.head, 3), limit: 3 };
    expect(await world.timelines.range(home, userKey('room' as never), { ...query, direction: 'forward' })).toEqual([]);
  });

  it('reads what is hot while the archive is away, and refuses what is not, with the reason for the operator', async () => {
    const world = worldOf([10]);
    const refusals: string[] = [];
    const timelines = new TieredTimelines({
      hot: world.hot,
      archive: { read: () => Promise.resolve(err(unavailable('The disk is away.', 'Bring it back.'))) },
      headOf: () => Promise.resolve(world.head),
      refused: ({ message }) => refusals.push(message),
    });
    await world.archive(5);
    world.trim(5);
    const hot = { from: positionAt(world.head, 6), to: positionAt(world.head, 10), limit: 5 };
    expect(await timelines.range(home, actor, { ...hot, direction: 'backward' })).toHaveLength(5);
    const cold = timelines.range(home, actor, {
      ...hot,
      from: positionAt(world.head, 5),
      limit: 6,
      direction: 'forward',
    });
    await expect(cold).rejects.toThrow(StoreUnavailable);
    expect(refusals).toEqual(['The disk is away.']);
  });

  it('asks the archive once for a page that is full, and again for one that is not', async () => {
    const world = worldOf([10], 4);
    await world.archive(6);
    world.trim(6);
    const asked: number[] = [];
    const archive = new MemoryArchive(world.disk);
    const timelines = new TieredTimelines({
      hot: world.hot,
      archive: {
        read: (conversation, query) => {
          asked.push(query.from.seq);
          return archive.read(conversation, query);
        },
      },
      headOf: () => Promise.resolve(world.head),
      refused: () => undefined,
      limits: { pageEntries: 4 },
    });
    const query = { from: positionAt(world.head, 1), to: positionAt(world.head, 6), limit: 6 };
    const both = [0, 1].map(() => timelines.range(home, actor, { ...query, direction: 'forward' }));
    for (const page of await Promise.all(both)) expect(page).toHaveLength(6);
    await timelines.range(home, actor, { ...query, direction: 'backward' });
    expect(asked).toEqual([1, 5, 5]);
  });
});
