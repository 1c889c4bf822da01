import { CHUNK_BYTES_MAX, type ArchiveStore, type Tiers } from '@millrace/archive';
import { err, generation, ok, sequenceId, systemClock, systemTimers, type ConversationId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { conversationKey } from '@millrace/timeline';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { Archiver, defaultArchiverLimits, type ArchiverLimits } from './archiver.ts';
import { neverHeld } from './drop-before.ts';
import { roll } from './roll.ts';
import { StuckRolls } from './stuck-rolls.ts';

const names = (...all: readonly string[]) => all as readonly ConversationId[];
const LIMITS = {
  ...defaultArchiverLimits,
  ...{ hotEntries: 20, hotMs: Number.MAX_SAFE_INTEGER, chunkEntries: 10, retry: { msMin: 1, msMax: 5 } },
};

function setUp(limits: Partial<ArchiverLimits> = {}, wrap = (archive: ArchiveStore) => archive) {
  const rooms = new SomeRooms();
  const said: string[] = [];
  const archiver = new Archiver({
    ...{ archive: wrap(rooms.archive), identity: rooms.disk.identity, isHeld: neverHeld, timelines: rooms.timelines },
    ...{ hot: rooms.hotTimelines, clock: systemClock, timers: systemTimers },
    limits: { ...LIMITS, ...limits },
    log: {
      info: () => undefined,
      warn: (message) => said.push(`warn ${message}`),
      error: (message, fields) => said.push(`error ${message} ${String(fields?.['conversation'])}`),
    },
  });
  onTestFinished(() => {
    archiver.stop();
  });
  const serve = (): void => {
    archiver.serve({ calls: rooms.calls, ...rooms.node });
  };
  /** Nothing that can be read any more stands there. */
  const spoil = (name: string, seq: number, data: Uint8Array): void => {
    const hot = rooms.hot.get(conversationKey(name as ConversationId));
    const entry = hot?.[seq - 1];
    if (hot === undefined || entry === undefined) throw new Error('there is no such entry');
    hot[seq - 1] = { ...entry, data };
  };
  const settled = () => expect.poll(() => archiver.stats.waiting).toBe(0);
  return { rooms, said, archiver, serve, spoil, settled };
}

const GARBAGE = new Uint8Array([255, 255, 255]);

describe('a conversation that cannot be archived', () => {
  it.each([
    ['an entry cannot be decoded', 5, 6, GARBAGE],
    ['a chunk is over the bounds of the archive', 54, 3, new Uint8Array(CHUNK_BYTES_MAX + 1)],
  ])('for %s keeps no other one from it, is told once, and is let be for a while', async (_why, count, seq, data) => {
    const world = setUp({ hotMs: -1 });
    const all = names('one', 'bad', 'two', 'three');
    for (const name of all) world.rooms.write(name, name === 'bad' ? count : 54);
    world.spoil('bad', seq, data);
    for (const conversation of all) world.archiver.add(conversation);
    world.serve();
    await world.settled();
    for (const name of ['one', 'two', 'three']) expect(world.rooms.hotSeqs(name).length).toBeLessThan(30);
    expect(world.rooms.hotSeqs('bad')).toHaveLength(count + 1);
    expect(world.said).toEqual([expect.stringMatching(/^error a conversation cannot be archived.* bad$/)]);
    expect(world.archiver.stats).toMatchObject({ conversationsStuck: 1, rollsFailed: 0, failingMs: 0 });
    world.archiver.add(names('bad')[0] as ConversationId);
    expect(world.archiver.stats.waiting).toBe(0);
    // As a job it is done: nobody tries it again and again, nor the others of it.
    world.rooms.write('one', 20);
    expect(await world.archiver.rollHere(all)).toBeNull();
    expect(world.rooms.hotSeqs('one').length).toBeLessThan(30);
    expect(world.archiver.stats.conversationsStuck).toBe(1);
  });

  it('is tried again now and then, without a word, and archived when it can be', async () => {
    const world = setUp({ hotMs: -1, stuck: { restMs: 0, conversationsMax: 10 } });
    const [bad] = names('bad');
    world.rooms.write('bad', 5);
    const healthy = world.rooms.hot.get(conversationKey('bad' as ConversationId))?.[5]?.data ?? GARBAGE;
    world.spoil('bad', 6, GARBAGE);
    world.serve();
    for (let count = 0; count < 3; count += 1) {
      world.archiver.add(bad as ConversationId);
      await world.settled();
    }
    expect([world.said.length, world.archiver.stats.conversationsStuck]).toEqual([1, 3]);
    world.spoil('bad', 6, healthy);
    world.archiver.add(bad as ConversationId);
    await expect.poll(() => world.rooms.hotSeqs('bad')).toEqual([]);
  });

  it('keeps no sweep from finding the others', async () => {
    const world = setUp({ hotMs: -1, sweep: { firstMs: 1, everyMs: 5, pauseMs: 0 } });
    for (const name of ['bad', 'other']) world.rooms.write(name, 5);
    world.spoil('bad', 1, GARBAGE);
    world.serve();
    await expect.poll(() => world.rooms.hotSeqs('other')).toEqual([]);
    expect(world.said).toHaveLength(1);
  });
});

describe('a roll', () => {
  it('does not forget what is written to a conversation while it is under way', async () => {
    const gate = { reached: (): void => undefined, go: (): void => undefined };
    const isReached = new Promise<void>((resolve) => (gate.reached = resolve));
    const mayGo = new Promise<void>((resolve) => (gate.go = resolve));
    const world = setUp(
      {},
      (archive) =>
        ({
          ...{ read: archive.read.bind(archive), extent: archive.extent.bind(archive) },
          append: async (chunks: Parameters<ArchiveStore['append']>[0]) => {
            gate.reached();
            await mayGo;
            return archive.append(chunks);
          },
        }) as unknown as ArchiveStore,
    );
    world.rooms.write('quiet', 5);
    world.rooms.write('long', 54);
    for (const conversation of names('quiet', 'long')) world.archiver.add(conversation);
    world.serve();
    await isReached;
    // It had nothing to archive when it was looked at.
    world.rooms.write('quiet', 40);
    world.archiver.add(names('quiet')[0] as ConversationId);
    gate.go();
    await expect.poll(() => world.rooms.hotSeqs('quiet').length).toBeLessThan(30);
  });

  it('as a job is tried again when what is left of it finds no room to wait', async () => {
    const world = setUp({ rollsPerJob: 1, chunksMax: 1, waitingMax: 0 });
    world.rooms.write('room', 54);
    world.serve();
    expect(await world.archiver.rollHere(names('room'))).toContain('too many');
  });
});

describe('an older generation than is archived already', () => {
  const [room] = names('room');
  const tiers = (gen: number, seq: number): Tiers => ({
    head: { gen: generation(gen), seq: sequenceId(seq), first: sequenceId(1), past: [] },
    archivedTo: sequenceId(0),
  });

  /** Its owner says the first of these when it is asked first. */
  async function rolled(answers: readonly (Tiers | 'unavailable')[]) {
    const rooms = new SomeRooms();
    rooms.write('room', 54);
    const { gen } = rooms.room('room').state;
    const later = { conversation: room as ConversationId, gen: generation(gen + 1), first: sequenceId(41) };
    await rooms.archive.append([{ ...later, entries: [new Uint8Array([1])] }]);
    const told = rooms.room('room').state.head.value;
    let asked = 0;
    const conversation = ((_id, _command) => {
      const answer = answers[Math.min(asked, answers.length - 1)];
      asked += 1;
      if (answer === 'unavailable') return Promise.resolve(err(frameError('unavailable', 'its lease is over')));
      const moved = answer?.head.gen === gen ? { head: told, archivedTo: sequenceId(0) } : answer;
      return Promise.resolve(ok(moved));
    }) as ActorCalls['conversation'];
    const parts = { archive: rooms.archive, isHeld: neverHeld, timelines: rooms.timelines, nowMs: 0, limits: LIMITS };
    const outcome = await roll({ ...parts, calls: { ...rooms.calls, conversation } }, names('room'));
    return 'code' in outcome ? outcome.code : outcome.get(room as ConversationId)?.code;
  }

  const before = tiers(1, 55);

  it('is stuck when its owner, by its lease, still says that it is the newest one', async () => {
    expect(await rolled([before, before])).toBe('stuck');
  });

  it('is none when another owner has gone on meanwhile, who is asked then', async () => {
    expect(await rolled([before, tiers(2, 41)])).toBe('more');
  });

  it('is none when who said so is the owner no longer', async () => {
    expect(await rolled([before, 'unavailable'])).toBe('later');
  });
});

describe('what is known of stuck conversations', () => {
  it('is bounded (I9)', () => {
    const stuck = new StuckRolls({ restMs: 10, conversationsMax: 2 }, { monotonicMs: () => 0 });
    const [one, two, three] = names('one', 'two', 'three') as [ConversationId, ConversationId, ConversationId];
    for (const conversation of [one, two, three]) expect(stuck.note(conversation, 'why')).toBe(true);
    expect(stuck.note(two, 'why')).toBe(false);
    expect(stuck.note(two, 'another reason')).toBe(true);
    expect([stuck.rests(one), stuck.rests(two), stuck.rests(three)]).toEqual([false, true, true]);
    stuck.forget(two);
    expect(stuck.rests(two)).toBe(false);
  });
});
