import {
  err,
  ok,
  sequenceId,
  systemClock,
  systemTimers,
  type ConversationId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Archiver, defaultArchiverLimits } from '../archive/archiver.ts';
import { neverHeld } from '../archive/drop-before.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { Erasures, type ErasuresParts } from './erasures.ts';
import type { ErasureReport } from './erasure-report.ts';

const b = 'b' as UserId;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Rooms in each of which a and b talk, and what erases there. */
function setUp(names: readonly string[], more: Partial<ErasuresParts> = {}) {
  const rooms = new SomeRooms();
  for (const name of names) for (const user of ['b', 'a', 'b']) rooms.do(name, rooms.room(name).sendOf(user));
  const idOf = (actor: ActorKey): ConversationId => actor.slice(2) as ConversationId;
  const archiver = new Archiver({
    ...{ archive: rooms.archive, identity: rooms.disk.identity, timelines: rooms.timelines },
    ...{ isHeld: neverHeld, clock: systemClock, timers: systemTimers, limits: defaultArchiverLimits, log: silent },
  });
  archiver.serve({ calls: rooms.calls, ...rooms.node });
  const stored = new Map<UserId, string>();
  const told: string[] = [];
  const removed: string[] = [];
  const calls = {
    ...rooms.calls,
    user: (user: UserId, command: { readonly t: string; readonly set?: string | null }) => {
      if (command.t === 'unscheduleAll') {
        told.push(`${user} ${command.t}`);
        return Promise.resolve(ok({ jobs: ['job-1', 'job-2'] })) as never;
      }
      if (command.t !== 'erasure') {
        told.push(`${user} ${command.t}`);
        return Promise.resolve(ok(null)) as never;
      }
      if (typeof command.set === 'string') stored.set(user, command.set);
      return Promise.resolve(ok({ report: stored.get(user) ?? null })) as never;
    },
  };
  const parts: ErasuresParts = {
    stored: { conversations: () => rooms.hotTimelines.conversations() },
    reads: {
      timelines: rooms.timelines,
      records: {
        fields: (_partition, actor, wanted) => {
          const room = rooms.rooms.get(idOf(actor));
          const fields =
            (actor.startsWith('r:') ? room?.beside : room?.stored)?.fields ?? new Map<string, Uint8Array>();
          return Promise.resolve(new Map([...fields].filter(([name]) => wanted.includes(name))));
        },
      },
    },
    partitions: {
      loadActor: (_partition, actor) =>
        Promise.resolve(ok({ head: null, fields: new Map(rooms.rooms.get(idOf(actor))?.beside.fields) })),
    },
    ...{
      archive: rooms.archive,
      archiver,
      search: null,
      jobs: { remove: (jobs) => removed.push(...jobs) },
      clock: systemClock,
      log: silent,
    },
    timers: { ...systemTimers, after: (_ms, work) => systemTimers.after(0, work) },
    ...more,
  };
  const erasures = new Erasures(parts, {
    calls,
    erased: () => undefined,
    closeSessions: () => Promise.resolve(ok(1)),
  });
  onTestFinished(() => {
    archiver.stop();
    erasures.stop();
  });
  const ended = async (): Promise<ErasureReport> => {
    await expect
      .poll(
        async () => {
          const report = await erasures.report(b);
          return report.ok && report.value.state;
        },
        { timeout: 20_000 },
      )
      .not.toBe('running');
    const report = await erasures.report(b);
    if (!report.ok) throw new Error(report.error.message);
    return report.value;
  };
  /** What the archive has of a room, as it is stored. */
  const archived = (name: string) =>
    [...(rooms.disk.conversations.get(name as ConversationId)?.values() ?? [])]
      .flat()
      .map(({ data }) => decodeEntry(data));
  return { rooms, erasures, ended, archived, told, removed, stored };
}

/** An index that says what it was asked, and has come as far as it is told. */
function anIndex() {
  const asked: string[] = [];
  type Told<T> = Result<T, { readonly message: string }>;
  const answers: {
    purge: Told<void>;
    health: Told<{ readonly isRebuilding: boolean }>;
    through: (conversation: ConversationId) => number | null;
  } = { purge: ok(undefined), health: ok({ isRebuilding: false }), through: () => Number.MAX_SAFE_INTEGER };
  return {
    asked,
    answers,
    indexedThrough: (conversations: readonly ConversationId[]) =>
      Promise.resolve(
        ok(
          conversations.map((each) => {
            asked.push(`through ${each}`);
            const seq = answers.through(each);
            return seq === null ? null : { seq: sequenceId(seq) };
          }),
        ),
      ),
    health: () => Promise.resolve(answers.health),
    search: () => Promise.resolve(ok({ total: 2 })),
    eraseSender: (user: UserId) => Promise.resolve((asked.push(`sender ${user}`), ok(0))),
    eraseConversation: (conversation: ConversationId) =>
      Promise.resolve((asked.push(`conversation ${conversation}`), ok(undefined))),
    purge: () => Promise.resolve((asked.push('purge'), answers.purge)),
  };
}

describe('the erasure of a user', () => {
  it('goes through all conversations, writes over what they have sent there, and tells what it did', async () => {
    const world = setUp(['one', 'two', 'three']);
    world.rooms.do('none', { t: 'kick', by: null, users: [b] });
    expect(await world.erasures.report(b)).toMatchObject({ ok: false, error: { code: 'not_found' } });
    expect(await world.erasures.eraseUser(b)).toMatchObject({ ok: true, value: { state: 'running' } });
    expect(await world.erasures.eraseUser(b)).toMatchObject({ ok: true, value: { state: 'running' } });
    const report = await world.ended();
    expect(report).toMatchObject({
      state: 'done',
      looked: 4,
      conversations: 4,
      entries: 6,
      sessions: 1,
      found: null,
      left: [],
    });
    // Before all else, so that nothing is sent behind the end of what is erased.
    expect(world.told).toEqual(['b unscheduleAll', 'b forget']);
    expect([report.scheduled, world.removed]).toEqual([2, ['job-1', 'job-2']]);
    for (const name of ['one', 'two', 'three']) {
      expect(world.rooms.hotSeqs(name)).toEqual([]);
      const texts = world.archived(name).filter(({ countable }) => countable);
      expect(texts.map(({ from, body, erased }) => [from, body === '', erased ?? false])).toEqual([
        ['b', true, true],
        ['a', false, false],
        ['b', true, true],
      ]);
    }
  });

  it('that was interrupted goes on when it is asked for again, and comes to the same', async () => {
    const world = setUp(['one', 'two']);
    world.rooms.disk.isDown = true;
    await world.erasures.eraseUser(b);
    const first = await world.ended();
    expect(first.entries).toBe(0);
    expect(first.left.map(({ conversation }) => conversation).sort()).toEqual(['one', 'one', 'two', 'two']);
    expect(world.rooms.hotSeqs('one').length).toBeGreaterThan(0);
    world.rooms.disk.isDown = false;
    await world.erasures.eraseUser(b);
    expect(await world.ended()).toMatchObject({ state: 'done', conversations: 2, entries: 4, left: [] });
    expect(world.archived('two').filter(({ erased }) => erased === true)).toHaveLength(2);
  });

  it('without an archive says what is left, and lays over it what was erased', async () => {
    const world = setUp(['one'], { archive: null, archiver: null });
    await world.erasures.eraseUser(b);
    const { left } = await world.ended();
    expect(left).toMatchObject([{ conversation: 'one' }]);
    expect(left[0]?.why).toContain('MILLRACE_ARCHIVE');
    expect(world.rooms.room('one').beside.fields.has('u')).toBe(true);
  });

  it('has the search index forget them, and tells what that says', async () => {
    const search = anIndex();
    search.answers.purge = err({ message: 'the disk is full' });
    const world = setUp(['one'], { search });
    await world.erasures.eraseUser(b);
    expect(await world.ended()).toMatchObject({ found: 2, left: [{ why: 'the search index: the disk is full' }] });
    expect(search.asked).toEqual(['through one', 'sender b', 'purge']);
  });

  it('waits until the index has come to the entry that tells of it, before it forgets and writes over', async () => {
    const search = anIndex();
    const world = setUp(['one', 'two'], { search });
    const told = () => world.rooms.room('two').state.head.value.seq;
    let looks = 0;
    search.answers.through = (name) => {
      looks += 1;
      return name === 'two' && looks < 8 ? told() - 1 : told();
    };
    await world.erasures.eraseUser(b);
    expect(await world.ended()).toMatchObject({ found: 2, left: [] });
    expect(search.asked.filter((line) => !line.startsWith('through'))).toEqual(['sender b', 'purge']);
    expect(search.asked.filter((line) => line === 'through two').length).toBeGreaterThan(3);
    expect(search.asked.slice(-3)).toEqual(['through two', 'sender b', 'purge']);
  });

  it('says what may be left in the files of an index that stays behind, or is being made anew', async () => {
    const behind = anIndex();
    behind.answers.through = () => 1;
    const world = setUp(['one'], { search: behind });
    await world.erasures.eraseUser(b);
    expect((await world.ended()).left.map(({ why }) => why)).toEqual([expect.stringContaining('index is behind')]);
    expect(behind.asked.slice(-2)).toEqual(['sender b', 'purge']);
    const anew = anIndex();
    anew.answers.health = ok({ isRebuilding: true });
    const other = setUp(['one'], { search: anew });
    await other.erasures.eraseUser(b);
    expect((await other.ended()).left.map(({ why }) => why)).toEqual([expect.stringContaining('being made anew')]);
  });
});

describe('the erasure of a conversation', () => {
  it('leaves nothing of it in any store, and tells everybody who ever was in it', async () => {
    const world = setUp(['one']);
    const one = 'one' as ConversationId;
    world.rooms.do('one', { t: 'kick', by: null, users: [b] });
    expect(await world.erasures.eraseConversation(one)).toEqual({ ok: true, value: { left: [] } });
    expect(world.told.filter((line) => line === 'b deliver')).toHaveLength(2);
    expect(world.rooms.hot.get(conversationKey(one))).toEqual([]);
    expect(world.rooms.disk.conversations.has(one)).toBe(false);
    expect(world.rooms.room('one').state.meta.value).toBeNull();
  });

  it('has the index forget it once that has come to its end, and says when it does not', async () => {
    const search = anIndex();
    const world = setUp(['one'], { search });
    const one = 'one' as ConversationId;
    const { seq } = world.rooms.room('one').state.head.value;
    let looks = 0;
    search.answers.through = () => seq - 1 + Number((looks += 1) > 3);
    expect(await world.erasures.eraseConversation(one)).toEqual({ ok: true, value: { left: [] } });
    expect(search.asked).toEqual([...Array<string>(4).fill('through one'), 'conversation one', 'purge']);
    // Once more: the index knows nothing of it, and has nothing to come to.
    search.answers.through = () => null;
    expect(await world.erasures.eraseConversation(one)).toEqual({ ok: true, value: { left: [] } });
    search.answers.through = () => 1;
    const late = await world.erasures.eraseConversation(one);
    expect(late.ok && late.value.left).toMatchObject([
      { conversation: 'one', why: expect.stringContaining('is behind') as string },
    ]);
  });
});
