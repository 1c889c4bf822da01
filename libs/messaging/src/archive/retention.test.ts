import { TieredTimelines } from '@millrace/archive';
import { ok, partitionId, sequenceId, systemClock, systemTimers, type ConversationId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { conversationKey, keptFrom } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { positionsOf, readDense } from '../sync/read-messages.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { defaultArchiverLimits } from './archiver.ts';
import { dropBefore } from './drop-before.ts';
import { defaultRetentionLimits, Retention, type RetentionLimits } from './retention.ts';
import { keptSinceMs, retentionDaysOf } from './retention-plan.ts';
import { roll } from './roll.ts';

const room = 'room' as ConversationId;
const DAY_MS = 24 * 3_600_000;
const limits = { ...defaultArchiverLimits, hotEntries: 4, chunkEntries: 3, chunksMax: 2 };

function setUp(more: Partial<RetentionLimits> = {}) {
  const rooms = new SomeRooms();
  const time = { nowMs: 1_000 };
  const said: string[] = [];
  const timelines = new TieredTimelines({
    hot: rooms.timelines,
    archive: rooms.archive,
    headOf: (_partition, actor) =>
      Promise.resolve(rooms.rooms.get(actor.slice(2) as ConversationId)?.stored.head ?? null),
    refused: () => undefined,
    limits: { pageEntries: 4 },
  });
  const hold = { isHeld: false };
  const dropParts = { archive: rooms.archive, isHeld: () => Promise.resolve(hold.isHeld) };
  const retention = new Retention({
    ...{ ...dropParts, timelines, stored: rooms.hotTimelines },
    partitions: {
      loadActor: (_partition, actor) => {
        const fields = new Map(rooms.rooms.get(actor.slice(2) as ConversationId)?.beside.fields);
        return Promise.resolve(ok({ head: null, fields }));
      },
    },
    clock: { nowMs: () => time.nowMs, monotonicMs: () => systemClock.monotonicMs() },
    timers: systemTimers,
    log: { info: () => undefined, warn: () => undefined, error: (message) => said.push(message) },
    limits: {
      ...defaultRetentionLimits,
      ...{ days: 2, pageEntries: 5, commitEntries: 12, dropAfterMs: 1 },
      rounds: { firstMs: 3_600_000, everyMs: 3_600_000, pauseMs: 0 },
      ...more,
    },
  });
  onTestFinished(() => {
    retention.stop();
  });
  const tiers = async (conversation: ConversationId) => {
    const known = await rooms.node.tiers(conversation);
    const { retentionDays = 0, lifetimeMs = 0 } = rooms.rooms.get(conversation)?.state.meta.value ?? {};
    return known === null ? null : { ...known, retentionDays, lifetimeMs };
  };
  retention.serve({ calls: rooms.calls, tiers });
  const rollOnce = () =>
    roll({ ...dropParts, archive: rooms.archive, timelines, calls: rooms.calls, limits, nowMs: 0 }, [room]);
  const extent = async (): Promise<readonly string[]> => {
    const told = await rooms.archive.extent(room);
    return told.ok ? told.value.map(({ first, last }) => `${String(first)}-${String(last)}`) : [];
  };
  /** Everything that the head says is there, dense over both tiers (I8). */
  const whole = async (): Promise<readonly number[]> => {
    const head = rooms.room('room').state.head.value;
    const first = keptFrom(head);
    if (first > head.seq) return [];
    const actor = conversationKey(room);
    const range = positionsOf(head, { from: first, to: head.seq });
    return (await readDense(timelines, { partition: partitionId(0), actor }, range, 'forward')).map(({ seq }) => seq);
  };
  /** So many messages a day, for some days. */
  const writeDays = (days: number, each: number): void => {
    for (let day = 0; day < days; day += 1) {
      rooms.write('room', each);
      time.nowMs += DAY_MS;
      rooms.room('room').nowMs += DAY_MS;
    }
  };
  return { rooms, retention, said, time, hold, dropParts, rollOnce, extent, whole, writeDays, timelines };
}

const seqs = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('how long entries are kept', () => {
  it('goes by days that begin at midnight, so that each entry is kept for so many of them at least', () => {
    const noon = 20 * DAY_MS + DAY_MS / 2;
    expect(keptSinceMs(noon, 2)).toBe(18 * DAY_MS);
    expect(keptSinceMs(20 * DAY_MS, 2)).toBe(18 * DAY_MS);
    expect(retentionDaysOf(0, 0)).toBe(0);
    expect(retentionDaysOf(30, 0)).toBe(30);
    expect(retentionDaysOf(0, 7)).toBe(7);
    expect(retentionDaysOf(30, 7)).toBe(7);
    expect(retentionDaysOf(7, 30)).toBe(7);
  });

  it('has what is older leave both tiers, in the midst of a chunk, too, and the rest is read whole (I8)', async () => {
    const world = setUp();
    world.writeDays(5, 10);
    await world.rollOnce();
    // 51 entries: 1 to 11 of the first day, and 10 of each other one.
    await world.retention.look(room);
    const head = world.rooms.room('room').state.head.value;
    expect(keptFrom(head)).toBe(32);
    expect(await world.whole()).toEqual(seqs(32, 51));
    expect(world.retention.stats.entriesRetired).toBe(31);
    await expect.poll(world.extent).toEqual([]);
    for (let count = 0; count < 5; count += 1) await world.rollOnce();
    expect(await world.extent()).toEqual(['32-46']);
    expect(await world.whole()).toEqual(seqs(32, 51));
  });

  it('leaves nothing of what is older in the archive, nor of the chunk that goes on behind it', async () => {
    const world = setUp();
    world.writeDays(3, 10);
    for (let count = 0; count < 6; count += 1) await world.rollOnce();
    expect(await world.extent()).toEqual(['1-27']);
    world.time.nowMs += DAY_MS;
    await world.retention.look(room);
    expect(keptFrom(world.rooms.room('room').state.head.value)).toBe(22);
    await expect.poll(world.extent).toEqual(['22-27']);
    expect(await world.whole()).toEqual(seqs(22, 31));
    const held = [...(world.rooms.disk.conversations.get(room)?.values() ?? [])].flat();
    for (const { seq, data } of held) expect(data.length > 0).toBe(seq >= 22);
  });

  it.each([
    ['cannot be read', [{ data: new Uint8Array([255]) }]],
    ['is not there', []],
  ])('goes on with the next conversation where something of one %s', async (_what, instead) => {
    const world = setUp({ rounds: { firstMs: 1, everyMs: 5, pauseMs: 0 } });
    world.rooms.write('bad', 3);
    const hot = world.rooms.hot.get(conversationKey('bad' as ConversationId)) ?? [];
    const [gone] = hot.splice(0, 1);
    if (gone === undefined) throw new Error('it was created');
    hot.unshift(...instead.map((other) => ({ ...gone, ...other })));
    world.writeDays(5, 10);
    await expect.poll(() => keptFrom(world.rooms.room('room').state.head.value)).toBe(32);
    expect(world.said).toContain('what is too old of a conversation cannot be told, and stays');
  });

  it('is for ever where nobody said otherwise, and a conversation may say less', async () => {
    const world = setUp({ days: 0 });
    world.writeDays(5, 4);
    await world.retention.look(room);
    expect(await world.whole()).toEqual(seqs(1, 21));
    const settings = { t: 'settings', by: null, change: { retentionDays: 1 } } as const;
    world.rooms.do('room', settings);
    await world.retention.look(room);
    expect(keptFrom(world.rooms.room('room').state.head.value)).toBe(18);
    expect(await world.whole()).toEqual(seqs(18, 22));
  });

  it('takes all of a conversation in which nothing is said any more, which goes on behind it', async () => {
    const world = setUp();
    world.writeDays(1, 4);
    world.time.nowMs += 5 * DAY_MS;
    world.rooms.room('room').nowMs += 5 * DAY_MS;
    await world.retention.look(room);
    expect(await world.whole()).toEqual([]);
    expect(world.rooms.hotSeqs('room')).toEqual([]);
    world.rooms.write('room', 2);
    expect(await world.whole()).toEqual([6, 7]);
    await world.rollOnce();
    await world.retention.look(room);
    expect(await world.whole()).toEqual([6, 7]);
  });

  it('leaves the archive as it is while a backup is taken, and takes from it behind that (I8)', async () => {
    const world = setUp();
    world.writeDays(5, 10);
    await world.rollOnce();
    world.hold.isHeld = true;
    const archived = await world.extent();
    await world.retention.look(room);
    const head = world.rooms.room('room').state.head.value;
    expect(keptFrom(head)).toBe(32);
    // What has gone over in the meantime follows on what is to leave: it waits, and no other conversation for it.
    expect([...((await world.rollOnce()) as ReadonlyMap<string, unknown>).values()]).toEqual([
      { code: 'later', reason: expect.stringContaining('backup') as string },
    ]);
    expect(await dropBefore(world.dropParts, room, head)).toContain('backup');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await world.extent()).toEqual(archived);
    expect(world.retention.stats.dropping).toBe(1);
    expect(await world.whole()).toEqual(seqs(32, 51));
    world.hold.isHeld = false;
    await expect.poll(world.extent).toEqual([]);
    expect(world.retention.stats.dropping).toBe(0);
    expect(await world.whole()).toEqual(seqs(32, 51));
  });

  it('may end anywhere, while entries go over into an archive that comes and goes: what is there is read whole (I3, I8)', async () => {
    const step = fc.constantFrom('write', 'write', 'day', 'roll', 'look', 'drop', 'away', 'back', 'unheard', 'heard');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
        const world = setUp({ dropAfterMs: 3_600_000 });
        world.rooms.write('room', 3);
        let first = 1;
        for (const one of steps) {
          if (one === 'write') world.rooms.write('room', 3);
          else if (one === 'day') world.writeDays(1, 1);
          else if (one === 'roll') await world.rollOnce();
          else if (one === 'look') await world.retention.look(room).catch(() => undefined);
          else if (one === 'drop') {
            await dropBefore(world.dropParts, room, world.rooms.room('room').state.head.value);
          } else if (one === 'away' || one === 'back') world.rooms.disk.isDown = one === 'away';
          else {
            const isUnheard = one === 'unheard';
            world.rooms.refuse = ({ t }) =>
              isUnheard && (t === 'retire' || t === 'archived') ? 'the owner is gone' : null;
          }
          const head = world.rooms.room('room').state.head.value;
          expect(keptFrom(head)).toBeGreaterThanOrEqual(first);
          first = keptFrom(head);
          if (!world.rooms.disk.isDown) expect(await world.whole()).toEqual(seqs(first, head.seq));
          if (first === 1 || world.rooms.disk.isDown) continue;
          const before = { gen: head.gen, seq: sequenceId(first - 1) };
          expect(await world.timelines.at(partitionId(0), conversationKey(room), before)).toBeNull();
        }
        // Once nothing is in the way, everything comes to an end.
        world.rooms.disk.isDown = false;
        world.rooms.refuse = () => null;
        await world.retention.look(room);
        for (let count = 0; count < 40; count += 1) {
          const rolled = await world.rollOnce();
          expect(
            'code' in rolled ? rolled.reason : [...rolled.values()].find(({ code }) => code === 'stuck'),
          ).toBeUndefined();
        }
        const head = world.rooms.room('room').state.head.value;
        expect(await dropBefore(world.dropParts, room, head)).toBeNull();
        expect(await world.whole()).toEqual(seqs(keptFrom(head), head.seq));
        expect(world.rooms.hotSeqs('room').length).toBeLessThan(limits.hotEntries + limits.chunkEntries);
        const held = [...(world.rooms.disk.conversations.get(room)?.values() ?? [])].flat();
        for (const { seq, data } of held) if (seq < keptFrom(head)) expect(data).toHaveLength(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a lifetime', () => {
  const LIFE_MS = 60_000;

  it('takes what is older from the beginning, tells devices, and comes to rest (I3, I8)', async () => {
    const world = setUp({ days: 0 });
    const { rooms, retention, time, whole } = world;
    const of = rooms.room('room');
    rooms.do('room', { t: 'settings', by: null, change: { lifetimeMs: LIFE_MS } });
    rooms.write('room', 6);
    await world.rollOnce();
    const { seq, gen } = of.state.head.value;
    time.nowMs = of.nowMs + LIFE_MS;
    expect(await retention.expire(room)).toBeNull();
    // One entry tells of all of them, and is what is left.
    expect(await whole()).toEqual([seq + 1]);
    const told = JSON.parse(String(decodeEntry(of.stored.entries.at(-1) ?? new Uint8Array()).body)) as unknown;
    expect(told).toEqual({ control: 'expired', upTo: seq });
    expect(of.state.head.value).toMatchObject({ seq: seq + 1, gen });
    // Of that one nothing is told.
    time.nowMs = of.nowMs + 2 * LIFE_MS;
    expect(await retention.expire(room)).toBeNull();
    expect(await whole()).toEqual([]);
    expect(of.state.head.value.seq).toBe(seq + 1);
    expect(await retention.expire(room)).toBeNull();
    await expect.poll(world.extent).toEqual([]);
    rooms.write('room', 1);
    expect(await whole()).toEqual([seq + 2]);
  });

  it('leaves what is younger, and what has none; nobody has unread what is gone', async () => {
    const { rooms, retention, time, whole } = setUp({ days: 0 });
    const of = rooms.room('room');
    rooms.write('room', 5);
    time.nowMs = of.nowMs + 10 * LIFE_MS;
    expect(await retention.expire(room)).toBeNull();
    expect((await whole()).length).toBeGreaterThan(5);
    rooms.do('room', { t: 'settings', by: null, change: { lifetimeMs: LIFE_MS } });
    of.nowMs += LIFE_MS;
    rooms.write('room', 2);
    const { seq } = of.state.head.value;
    time.nowMs = of.nowMs + LIFE_MS - 10;
    expect(await retention.expire(room)).toBeNull();
    expect(await whole()).toEqual([seq - 1, seq, seq + 1]);
    expect(of.state.members.get('b' as never)?.readSeq).toBe(seq - 2);
  });

  it('whose owner cannot commit now is tried again', async () => {
    const { rooms, retention, time } = setUp({ days: 0 });
    const of = rooms.room('room');
    rooms.do('room', { t: 'settings', by: null, change: { lifetimeMs: LIFE_MS } });
    rooms.write('room', 2);
    time.nowMs = of.nowMs + LIFE_MS;
    rooms.refuse = ({ t }) => (t === 'retire' ? 'it moves' : null);
    expect(await retention.expire(room)).toContain('not all');
    rooms.refuse = ({ t }) => (t === 'tiers' ? 'it moves' : null);
    expect(await retention.expire(room)).toBe('it moves');
    rooms.refuse = () => null;
    expect(await retention.expire(room)).toBeNull();
  });
});
