import { err, ok, systemClock, systemTimers, type ConversationId, type NodeId } from '@millrace/kernel';
import type { Member } from '@millrace/partition';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SomeRooms } from '../testing/some-rooms.ts';
import { Archiver, defaultArchiverLimits, type ArchiverLimits } from './archiver.ts';
import { neverHeld } from './drop-before.ts';
import type { RollJobs } from './roll-jobs.ts';

const room = 'room' as ConversationId;

/** A queue that keeps what it is given, for the test to hand on. */
class Jobs implements RollJobs {
  readonly given: (readonly ConversationId[])[] = [];
  refusal: string | null = null;
  waiting: number | null = 0;

  addRoll(conversations: readonly ConversationId[]): ReturnType<RollJobs['addRoll']> {
    if (this.refusal !== null) return Promise.resolve(err(this.refusal));
    this.given.push(conversations);
    return Promise.resolve(ok(null));
  }

  rollsWaiting(): Promise<number | null> {
    return Promise.resolve(this.waiting);
  }
}

function setUp() {
  const rooms = new SomeRooms();
  const jobs = new Jobs();
  const member = (name: string, roles: Member['roles']): Member => ({
    ...{ name, node: `${name}-1` as NodeId, roles, isDraining: false, url: '', socketUrl: '' },
    archive: rooms.disk.identity,
  });
  const members = [member('one', ['gateway', 'actors']), member('two', ['jobs'])];
  rooms.view = { ...rooms.view, members };
  const archiver = (limits: Partial<ArchiverLimits> = {}, queue: RollJobs | null = jobs): Archiver => {
    const one = new Archiver({
      archive: rooms.archive,
      identity: rooms.disk.identity,
      isHeld: neverHeld,
      timelines: rooms.timelines,
      ...(queue === null ? {} : { jobs: queue }),
      clock: systemClock,
      timers: systemTimers,
      limits: {
        ...defaultArchiverLimits,
        ...{ hotEntries: 20, hotMs: Number.MAX_SAFE_INTEGER, chunkEntries: 10, retry: { msMin: 1, msMax: 5 } },
        handover: { jobsMax: 3, againMs: 20 },
        ...limits,
      },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    onTestFinished(() => {
      one.stop();
    });
    one.serve({ calls: rooms.calls, ...rooms.node });
    return one;
  };
  return { rooms, jobs, members, archiver };
}

describe('rolls as jobs', () => {
  it('are handed over by the node that hears of them, and done by one that works jobs', async () => {
    const { rooms, jobs, archiver } = setUp();
    rooms.write('room', 54);
    const [owner, worker] = [archiver(), archiver({}, null)];
    owner.add(room);
    await expect.poll(() => jobs.given).toEqual([[room]]);
    expect(rooms.hotSeqs('room')).toHaveLength(55);
    expect(await worker.rollHere(jobs.given[0] ?? [])).toBeNull();
    expect(rooms.hotSeqs('room')).toHaveLength(25);
    expect([owner.stats.entriesArchived, worker.stats.entriesArchived]).toEqual([0, 30]);
    // Done once more, or too late: nothing is left to do.
    expect(await worker.rollHere([room])).toBeNull();
    expect(worker.stats.entriesArchived).toBe(30);
  });

  it('are asked for once in a while, and then again when more was written meanwhile', async () => {
    const { rooms, jobs, archiver } = setUp();
    rooms.write('room', 54);
    const owner = archiver({ handover: { jobsMax: 3, againMs: 50 } });
    owner.add(room);
    await expect.poll(() => jobs.given).toEqual([[room]]);
    for (let count = 0; count < 5; count += 1) owner.add(room);
    await expect.poll(() => jobs.given).toEqual([[room], [room]]);
    // Nothing was added since.
    owner.add('other' as ConversationId);
    await expect.poll(() => jobs.given).toEqual([[room], [room], ['other']]);
  });

  it.each([
    ['the queue does not take it', ({ jobs }: ReturnType<typeof setUp>) => (jobs.refusal = 'it is full')],
    ['the queue has enough (I9)', ({ jobs }: ReturnType<typeof setUp>) => (jobs.waiting = 3)],
    ['the queue does not answer', ({ jobs }: ReturnType<typeof setUp>) => (jobs.waiting = null)],
    [
      'nobody works jobs',
      ({ rooms, members }: ReturnType<typeof setUp>) => (rooms.view = { ...rooms.view, members: members.slice(0, 1) }),
    ],
  ])('are done at once by the node itself when %s', async (_when, make) => {
    const world = setUp();
    make(world);
    world.rooms.write('room', 54);
    world.archiver().add(room);
    await expect.poll(() => world.rooms.hotSeqs('room').length).toBe(25);
    expect(world.jobs.given).toEqual([]);
  });

  it('are done by the node itself while the memory of Redis fills up (K4)', async () => {
    const { rooms, jobs, archiver } = setUp();
    rooms.write('room', 54);
    const owner = archiver();
    owner.memory(0.7);
    owner.add(room);
    await expect.poll(() => rooms.hotSeqs('room').length).toBe(15);
    expect(jobs.given).toEqual([]);
  });

  it('are tried again for as long as the archive is away, and say why', async () => {
    const { rooms, archiver } = setUp();
    rooms.write('room', 54);
    const worker = archiver({}, null);
    rooms.disk.isDown = true;
    expect(await worker.rollHere([room])).toContain('does not answer');
    expect(worker.stats.failingWhy).toContain('does not answer');
    rooms.disk.isDown = false;
    expect(await worker.rollHere([room])).toBeNull();
    expect(worker.stats).toMatchObject({ failingMs: 0, entriesArchived: 30 });
  });

  it('do so much in one job, and what is left in the next one (I9)', async () => {
    const { rooms, jobs, archiver } = setUp();
    rooms.write('room', 99);
    const worker = archiver({ rollsPerJob: 2, chunksMax: 1 });
    expect(await worker.rollHere([room])).toBeNull();
    expect(rooms.hotSeqs('room')).toHaveLength(80);
    await expect.poll(() => jobs.given).toEqual([[room]]);
  });

  it('are left to another node by one that is stopping', async () => {
    const { rooms, archiver } = setUp();
    rooms.write('room', 54);
    const [leaving, next] = [archiver({}, null), archiver({}, null)];
    leaving.stop();
    expect(await leaving.rollHere([room])).toBe('the node is stopping');
    expect(rooms.hotSeqs('room')).toHaveLength(55);
    expect(await next.rollHere([room])).toBeNull();
    expect(rooms.hotSeqs('room')).toHaveLength(25);
  });

  it('are done by the owner, too, whose archive has failed, until one succeeds: only so it is found out', async () => {
    const { rooms, jobs, archiver } = setUp();
    rooms.write('room', 54);
    jobs.refusal = 'it is full';
    const owner = archiver();
    rooms.disk.isDown = true;
    owner.add(room);
    await expect.poll(() => owner.stats.rollsFailed).toBeGreaterThan(1);
    jobs.refusal = null;
    rooms.disk.isDown = false;
    await expect.poll(() => rooms.hotSeqs('room').length).toBe(25);
    expect(owner.stats.failingMs).toBe(0);
    expect(jobs.given).toEqual([]);
  });
});
