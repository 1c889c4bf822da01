import {
  sequenceId,
  systemClock,
  systemTimers,
  utf8,
  type ConversationId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import type { Member } from '@millrace/partition';
import { conversationKey } from '@millrace/timeline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import type { ImportedEntry } from '../transfer/entry-line.ts';
import type { About } from '../transfer/lines.ts';
import { Archiver, defaultArchiverLimits, type ArchiverLimits } from './archiver.ts';
import { neverHeld } from './drop-before.ts';

const room = 'room' as ConversationId;
const DAY_MS = 24 * 3_600_000;
/** When an entry was written: of about now. */
const writtenMs = (seq: number): number => 1_000 + seq;

function setUp(limits: Partial<ArchiverLimits> = {}, identity?: string) {
  const rooms = new SomeRooms();
  const said: string[] = [];
  /** What is written is of about now. */
  const time = { nowMs: 2_000 };
  const archiver = new Archiver({
    archive: rooms.archive,
    identity: identity ?? rooms.disk.identity,
    isHeld: neverHeld,
    timelines: rooms.timelines,
    hot: rooms.hotTimelines,
    clock: { nowMs: () => time.nowMs, monotonicMs: () => systemClock.monotonicMs() },
    timers: systemTimers,
    limits: {
      ...defaultArchiverLimits,
      hotMs: DAY_MS,
      sweep: { firstMs: 1, everyMs: 5, pauseMs: 0 },
      hotEntries: 20,
      chunkEntries: 10,
      retry: { msMin: 1, msMax: 5 },
      alarmMs: 10,
      ...limits,
    },
    log: {
      info: (message) => said.push(`info ${message}`),
      warn: (message) => said.push(`warn ${message}`),
      error: (message) => said.push(`error ${message}`),
    },
  });
  onTestFinished(() => {
    archiver.stop();
  });
  const serve = (): void => {
    archiver.serve({ calls: rooms.calls, ...rooms.node });
  };
  const archived = async () => {
    const extent = await rooms.archive.extent(room);
    return extent.ok ? extent.value.map(({ first, last }) => `${String(first)}-${String(last)}`) : [];
  };
  return { rooms, archiver, said, serve, archived, time };
}

const settled = async ({ archiver }: ReturnType<typeof setUp>): Promise<void> => {
  await expect.poll(() => archiver.stats.waiting).toBe(0);
};

const memberOf = (archive?: string): Member => ({
  ...{ name: 'other', node: 'other-1' as NodeId, roles: [], isDraining: false, url: '', socketUrl: '' },
  ...(archive === undefined ? {} : { archive }),
});

describe('what archives conversations', () => {
  it('brings what is beyond the hot entries into the archive in whole chunks, and has it leave the Timeline (I8)', async () => {
    const world = setUp();
    world.rooms.write('room', 54);
    world.archiver.add(room);
    world.serve();
    await settled(world);
    // 55 with the entry that tells of the creation: the last 25 stay, for no chunk more is full.
    expect(await world.archived()).toEqual(['1-30']);
    expect(world.rooms.hotSeqs('room')).toEqual(Array.from({ length: 25 }, (_, index) => 31 + index));
    expect(world.rooms.room('room').stored.fields.get('z')).toEqual(utf8('30'));
    expect(world.archiver.stats).toMatchObject({ entriesArchived: 30, failingMs: 0, failingWhy: '' });
    const state = world.rooms.room('room').reloaded();
    expect(state.archivedTo.value).toBe(30);
  });

  it('finds by itself which conversation has filled another chunk', async () => {
    const world = setUp();
    world.serve();
    for (let count = 0; count < 60; count += 1) {
      world.archiver.told(world.rooms.do('room', world.rooms.room('room').sendOf('a')).effects);
    }
    await settled(world);
    // Never a chunk more than what is to stay, wherever the conversation ends.
    expect(world.rooms.hotSeqs('room')).toHaveLength(21);
    for (let count = 0; count < 8; count += 1) {
      world.archiver.told(world.rooms.do('room', world.rooms.room('room').sendOf('a')).effects);
    }
    await settled(world);
    expect(world.rooms.hotSeqs('room')).toHaveLength(29);
    world.archiver.told(world.rooms.do('room', world.rooms.room('room').sendOf('a')).effects);
    await expect.poll(() => world.rooms.hotSeqs('room').length).toBe(20);
  });

  it('takes what an import brings as it comes, before anybody sees it (I9)', async () => {
    const world = setUp();
    world.rooms.rooms.set(room, new AConversation(room));
    world.serve();
    const about: About = {
      kind: 'group',
      title: '',
      joinPolicy: 'open',
      historyPolicy: 'all',
      createdBy: 'a' as UserId,
      createdAt: 1,
      muted: false,
      slowModeMs: 0,
      mentionAllBy: 'admins',
      pinBy: 'admins',
    };
    const line = { conversation: room, about, first: sequenceId(1), last: sequenceId(95), segments: [] };
    const message = (seq: number): ImportedEntry => ({
      seq: sequenceId(seq),
      fields: {
        ...{ from: 'a' as UserId, deviceTag: 0, n: 0, sentAt: 5, at: writtenMs(seq) },
        ...{ type: 'text', body: `at ${String(seq)}`, countable: true },
      },
      stored: null,
    });
    const bring = (from: number, to: number): void => {
      const entries = Array.from({ length: to - from + 1 }, (_, index) => message(from + index));
      const rest = { members: [], bans: [], keys: [], targets: [], isLast: to === line.last };
      const whole = { ...line, readReason: 'size', keyWindow: [1, 0] } as const;
      const { reply, effects } = world.rooms.do('room', { t: 'import', part: { line: whole, entries, ...rest } });
      expect(reply).toMatchObject({ ok: true });
      world.archiver.told(effects);
    };
    bring(1, 60);
    await expect.poll(() => world.rooms.hotSeqs('room').length).toBe(20);
    expect(world.rooms.room('room').state.meta.value).toBeNull();
    bring(61, 95);
    await expect.poll(() => world.rooms.hotSeqs('room')[0]).toBe(71);
    await settled(world);
    expect(await world.archived()).toEqual(['1-70']);
  });

  it('goes on over many conversations and many chunks, in rolls of bounded size (I9)', async () => {
    const world = setUp({ conversationsPerRoll: 2, chunksMax: 2, bytesMax: 100 });
    const names = ['one', 'two', 'three', 'four', 'five'];
    for (const name of names) {
      world.rooms.write(name, 90);
      world.archiver.add(name as ConversationId);
    }
    world.serve();
    await settled(world);
    for (const name of names) expect(world.rooms.hotSeqs(name)[0]).toBe(71);
  });

  it('trims nothing while the archive is away, says so aloud after a while, and goes on by itself', async () => {
    const world = setUp();
    world.rooms.disk.isDown = true;
    world.rooms.write('room', 99);
    world.archiver.add(room);
    world.serve();
    await expect.poll(() => world.said.filter((line) => line.startsWith('error')).length).toBeGreaterThan(1);
    expect(world.said[0]).toContain('warn nothing can be archived');
    expect(world.rooms.hotSeqs('room')).toHaveLength(100);
    expect(world.archiver.stats.failingMs).toBeGreaterThan(0);
    expect(world.archiver.stats.failingWhy).toContain('does not answer');
    // Sends go on meanwhile.
    world.rooms.write('room', 10);
    world.rooms.disk.isDown = false;
    await settled(world);
    expect(await world.archived()).toEqual(['1-90']);
    expect(world.said.at(-1)).toContain('archived again');
  });

  it('goes on from any step that it ended behind, also when more was written since (I8)', async () => {
    const world = setUp();
    world.rooms.write('room', 54);
    // Everything is appended, and nobody is told.
    world.rooms.refuse = (command) => (command.t === 'archived' ? 'the owner is gone' : null);
    world.archiver.add(room);
    world.serve();
    await expect.poll(world.archived).toEqual(['1-30']);
    await expect.poll(() => world.archiver.stats.rollsFailed).toBeGreaterThan(1);
    expect(world.rooms.hotSeqs('room')).toHaveLength(55);
    // The next one has other lengths in mind.
    world.archiver.stop();
    const next = new Archiver({
      archive: world.rooms.archive,
      identity: world.rooms.disk.identity,
      isHeld: neverHeld,
      timelines: world.rooms.timelines,
      clock: systemClock,
      timers: systemTimers,
      limits: { ...defaultArchiverLimits, hotEntries: 5, chunkEntries: 8 },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    onTestFinished(() => {
      next.stop();
    });
    world.rooms.refuse = () => null;
    next.add(room);
    next.serve({ calls: world.rooms.calls, ...world.rooms.node });
    await expect.poll(() => next.stats.waiting).toBe(0);
    expect(next.stats.conversationsStuck).toBe(0);
    expect(await world.archived()).toEqual(['1-46']);
    expect(world.rooms.hotSeqs('room')[0]).toBe(47);
  });

  it('has a conversation leave Redis in which nothing is said any more, and finds it by itself (I8)', async () => {
    const world = setUp();
    world.rooms.write('room', 14);
    world.rooms.write('other', 3);
    world.rooms.elsewhere.add('other' as ConversationId);
    world.serve();
    world.time.nowMs += DAY_MS / 2;
    await settled(world);
    expect(world.rooms.hotSeqs('room')).toHaveLength(15);
    world.time.nowMs += DAY_MS;
    await expect.poll(() => world.rooms.hotSeqs('room')).toEqual([]);
    // The last chunk is not full; the other one lives on another node, which sweeps, too.
    expect(await world.archived()).toEqual(['1-15']);
    expect(world.rooms.hotSeqs('other')).toHaveLength(4);
    // Somebody speaks again.
    world.rooms.write('room', 1);
    expect(world.rooms.hotSeqs('room')).toEqual([16]);
  });

  it('archives the old part of a conversation that goes on, in whole chunks', async () => {
    const world = setUp();
    world.rooms.write('room', 15);
    world.rooms.room('room').nowMs += 2 * DAY_MS;
    world.time.nowMs += 2 * DAY_MS;
    world.rooms.write('room', 3);
    world.serve();
    await expect.poll(() => world.rooms.hotSeqs('room')[0]).toBe(11);
    expect(await world.archived()).toEqual(['1-10']);
    expect(world.rooms.hotSeqs('room')).toHaveLength(9);
  });

  it('finds what was to be archived when its node ended', async () => {
    const world = setUp();
    world.rooms.write('room', 70);
    world.serve();
    await expect.poll(() => world.rooms.hotSeqs('room')[0]).toBe(51);
  });

  it('keeps less in Redis while its memory is full, and more again when it is not', async () => {
    const world = setUp();
    world.rooms.write('room', 28);
    world.serve();
    await settled(world);
    expect(world.rooms.hotSeqs('room')).toHaveLength(29);
    world.archiver.memory(0.7);
    await expect.poll(() => world.rooms.hotSeqs('room').length).toBe(19);
    expect(world.said.join()).toContain('the memory of Redis fills up');
    world.archiver.memory(0.5);
    expect(world.said.filter((line) => line.includes('fills up'))).toHaveLength(1);
    world.archiver.memory(0.3);
    world.rooms.write('room', 10);
    await expect.poll(() => world.rooms.hotSeqs('room').length).toBe(29);
  });

  it('leaves a conversation hot that is another one in the archive, and says so', async () => {
    const world = setUp();
    world.rooms.write('room', 54);
    const { gen } = world.rooms.room('room').state;
    const foreign = Array.from({ length: 10 }, () => new Uint8Array([1]));
    await world.rooms.archive.append([{ conversation: room, gen, first: sequenceId(1), entries: foreign }]);
    world.archiver.add(room);
    world.serve();
    await settled(world);
    // Found again by each sweep, and told each time.
    expect(world.archiver.stats.conversationsStuck).toBeGreaterThan(0);
    expect(world.said.join()).toContain('error a conversation cannot be archived');
    expect(world.rooms.hotSeqs('room')).toHaveLength(55);
  });

  it('archives nothing while a node of the cluster could not read it (K3)', async () => {
    const world = setUp();
    world.rooms.view = { ...world.rooms.view, members: [memberOf(world.rooms.disk.identity), memberOf()] };
    world.rooms.write('room', 54);
    world.archiver.add(room);
    world.serve();
    await expect.poll(() => world.archiver.stats.failingWhy).toContain('the node other uses no archive');
    expect([await world.archived(), world.rooms.bound]).toEqual([[], null]);
    world.rooms.view = { ...world.rooms.view, members: [memberOf(world.rooms.disk.identity)] };
    await settled(world);
    expect(await world.archived()).toEqual(['1-30']);
    expect(world.rooms.bound).toBe(world.rooms.disk.identity);
  });

  it('archives nothing into another archive than the one before', async () => {
    const world = setUp();
    world.rooms.bound = 'f'.repeat(32);
    world.rooms.write('room', 54);
    world.archiver.add(room);
    world.serve();
    await expect.poll(() => world.archiver.stats.failingWhy).toContain('is in another archive');
    expect(world.rooms.hotSeqs('room')).toHaveLength(55);
  });
});

describe('a conversation that is told what is archived', () => {
  const at = (seq: number) => ({ gen: new SomeRooms().room('room').state.gen, seq: sequenceId(seq) });
  const tell = (rooms: SomeRooms, after: number, to: number, gen = 1) => {
    const command = { t: 'archived', after: sequenceId(after), to: { ...at(to), gen: gen as never } } as const;
    const { reply } = rooms.do('room', command);
    return reply.ok ? (reply.value as { readonly archivedTo: number }).archivedTo : reply.error.code;
  };

  it('takes only what follows on what it has, of the generation that it says, and not beyond its end (I8)', () => {
    const rooms = new SomeRooms();
    rooms.write('room', 29);
    expect(tell(rooms, 5, 10)).toBe(0);
    expect(tell(rooms, 0, 31)).toBe(0);
    expect(tell(rooms, 0, 10, 2)).toBe(0);
    expect(rooms.hotSeqs('room')).toHaveLength(30);
    expect(tell(rooms, 0, 10)).toBe(10);
    expect(tell(rooms, 0, 20)).toBe(10);
    expect(tell(rooms, 10, 5)).toBe(10);
    expect(rooms.hotSeqs('room')[0]).toBe(11);
    expect(tell(rooms, 10, 30)).toBe(30);
    expect(rooms.hotSeqs('room')).toEqual([]);
    // Its numbering goes on.
    rooms.write('room', 1);
    expect(rooms.hotSeqs('room')).toEqual([31]);
  });

  it('goes back to where it stood when the commit is refused (I2)', () => {
    const rooms = new SomeRooms();
    rooms.write('room', 9);
    const a = rooms.room('room');
    a.handle({ t: 'archived', after: sequenceId(0), to: at(5) });
    expect(a.actor.pendingWrite()).toMatchObject({ set: [['z', '5']], trimBefore: { gen: 1, seq: 6 }, entries: [] });
    a.actor.restore();
    expect(a.actor.pendingWrite()).toBeNull();
    expect(rooms.hot.get(conversationKey(room))).toHaveLength(10);
  });
});
