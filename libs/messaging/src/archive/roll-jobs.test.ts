import { err, ok, systemClock, systemTimers, type ConversationId, type NodeId } from '@millrace/kernel';
import type { Member } from '@millrace/partition';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SomeRooms } from '../testing/some-rooms.ts';
import { Archiver, defaultArchiverLimits, type ArchiverLimits } from './archiver.ts';
import { neverHeld } from './drop-before.ts';
import { RollHandover, type RollJobs } from './roll-jobs.ts';

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
  const members: Member[] = [member('one', ['gateway', 'actors']), { ...member('two', ['jobs']), rolls: true }];
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
        handover: { jobsMax: 3, againMs: 20, restMs: 10_000 },
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
    const owner = archiver({ handover: { jobsMax: 3, againMs: 50, restMs: 10_000 } });
    owner.add(room);
    await expect.poll(() => jobs.given).toEqual([[room]]);
    for (let count = 0; count < 5; count += 1) owner.add(room);
    await expect.poll(() => jobs.given).toEqual([[room], [room]]);
  });

  it.each([
    ['the queue does not take it', ({ jobs }: ReturnType<typeof setUp>) => (jobs.refusal = 'it is full')],
    ['the queue has enough (I9)', ({ jobs }: ReturnType<typeof setUp>) => (jobs.waiting = 3)],
    ['the queue does not answer', ({ jobs }: ReturnType<typeof setUp>) => (jobs.waiting = null)],
    [
      'nobody works jobs',
      ({ rooms, members }: ReturnType<typeof setUp>) => (rooms.view = { ...rooms.view, members: members.slice(0, 1) }),
    ],
    [
      'who works jobs runs an older version, and knows no rolls',
      ({ rooms, members }: ReturnType<typeof setUp>) =>
        (rooms.view = { ...rooms.view, members: members.map(({ rolls: _, ...older }) => older) }),
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
    // What failed is told for long enough to be seen here.
    const worker = archiver({ retry: { msMin: 1, msMax: 10_000 } }, null);
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

  it('that fail here and are done elsewhere are not told as failing for ever', async () => {
    const { rooms, archiver } = setUp();
    rooms.write('room', 54);
    const [failed, other] = [archiver({ retry: { msMin: 1, msMax: 200 } }, null), archiver({}, null)];
    rooms.disk.isDown = true;
    await failed.rollHere([room]);
    expect(failed.stats.failingWhy).toContain('does not answer');
    rooms.disk.isDown = false;
    expect(await other.rollHere([room])).toBeNull();
    await expect.poll(() => failed.stats.failingWhy).toBe('');
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

describe('handing over', () => {
  /** Time that the test moves on. */
  function handover() {
    const jobs = new Jobs();
    const again: ConversationId[] = [];
    let nowMs = 0;
    let due: { readonly atMs: number; readonly callback: () => void }[] = [];
    const hands = new RollHandover({
      jobs,
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
      timers: {
        after: (delayMs, callback) => {
          due.push({ atMs: nowMs + delayMs, callback });
          return () => undefined;
        },
        soon: () => undefined,
      },
      limits: { jobsMax: 3, againMs: 100, restMs: 1_000 },
      again: (conversation) => again.push(conversation),
    });
    const pass = (ms: number): void => {
      nowMs += ms;
      const now = due.filter(({ atMs }) => atMs <= nowMs);
      due = due.filter(({ atMs }) => atMs > nowMs);
      for (const { callback } of now) callback();
    };
    return { jobs, again, hands, pass };
  }

  it('brings back what was written meanwhile, once, and not before its time', async () => {
    const { again, hands, pass } = handover();
    expect(await hands.give([room])).toBe(true);
    for (let count = 0; count < 3; count += 1) expect(hands.holds(room)).toBe(true);
    pass(99);
    expect(again).toEqual([]);
    pass(1);
    expect(again).toEqual([room]);
    expect(hands.holds(room)).toBe(false);
    pass(1_000);
    expect(again).toEqual([room]);
  });

  it('brings nothing back of which nothing was written', async () => {
    const { again, hands, pass } = handover();
    await hands.give([room]);
    pass(100);
    expect(again).toEqual([]);
  });

  it('forgets nothing that is written while the queue has not answered yet', async () => {
    const { again, hands, pass } = handover();
    const giving = hands.give([room]);
    expect(hands.holds(room)).toBe(true);
    expect(await giving).toBe(true);
    pass(100);
    expect(again).toEqual([room]);
  });

  it('holds nothing that the queue did not take, and lets it be for a while', async () => {
    const { jobs, hands, pass } = handover();
    jobs.refusal = 'it is full';
    expect(await hands.give([room])).toBe(false);
    expect(hands.holds(room)).toBe(false);
    jobs.refusal = null;
    pass(999);
    expect(await hands.give([room])).toBe(false);
    pass(1);
    expect(await hands.give([room])).toBe(true);
    // One that has enough, but answers, is asked each time.
    jobs.waiting = 3;
    expect(await hands.give(['other' as ConversationId])).toBe(false);
    jobs.waiting = 2;
    expect(await hands.give(['other' as ConversationId])).toBe(true);
  });
});
