import { generation, partitionId, sequenceId, systemTimers, type ConversationId, type UserId } from '@millrace/kernel';
import type { Change, SearchIndex } from '@millrace/search';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aDocument } from '../testing/a-document.ts';
import { applyingBehind, IndexedRooms } from '../testing/indexed-rooms.ts';
import { Comparisons } from './comparisons.ts';
import { noFieldRules } from './field-rules.ts';
import { Indexer, type IndexerNode } from './indexer.ts';
import { PartitionIndexer } from './partition-indexer.ts';
import { Turns } from './turns.ts';

const b = 'b' as UserId;
const PARTITION = partitionId(0);
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What feeds the index of some rooms, from now on. */
function feed(world: IndexedRooms, index: SearchIndex = world.index): Indexer {
  const { names, limits, clock, node } = world;
  const indexer = new Indexer({
    ...{ identity: 'shared', index, rules: noFieldRules, names, limits, clock, timers: systemTimers, log: silent },
  });
  onTestFinished(() => {
    indexer.stop();
  });
  indexer.serve(node);
  return indexer;
}

/** What feeds the live version alone, as of a node that nothing tells of another one. */
function follow(world: IndexedRooms, node: IndexerNode = world.node) {
  const { index, names, limits, clock } = world;
  const follower = new PartitionIndexer({
    ...{ partition: PARTITION, index, into: 'live', node, limits, clock, timers: systemTimers, log: silent },
    comparisons: new Comparisons({
      ...{ names, timers: systemTimers, partitionsPerPass: 1, pauseMs: 0, partitionOf: () => PARTITION },
    }),
    ...{ rules: noFieldRules, turns: new Turns(1), indexed: () => undefined, setAside: () => undefined },
  });
  onTestFinished(() => {
    follower.stop();
  });
  const ended = follower.run();
  return { follower, ended };
}

/** Rooms in each of which b says something that no changefeed tells of. */
function roomsWith(...names: readonly string[]): IndexedRooms {
  const world = new IndexedRooms();
  for (const name of names) world.rooms.do(name, world.rooms.room(name).sendOf('b'));
  return world;
}

const cursorOf = (world: IndexedRooms) => world.disk.live.cursors.get(PARTITION);

describe('a comparison with the index', () => {
  it('is made once more when the partition is claimed behind it: its store may have been away', async () => {
    const world = roomsWith('early', 'late');
    world.unnamed.add('late');
    const indexer = feed(world);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    expect(world.indexed()).toEqual(['early 2']);
    world.unnamed.clear();
    indexer.claimed(PARTITION);
    await expect.poll(() => world.indexed()).toEqual(['early 2', 'late 2']);
  });

  it('is made once more when the partition is claimed amid it', async () => {
    const world = roomsWith('early', 'late');
    world.unnamed.add('late');
    let tell = (): void => undefined;
    world.naming = new Promise((resolve) => (tell = resolve));
    const indexer = feed(world);
    await expect.poll(() => world.named).toBe(1);
    indexer.claimed(PARTITION);
    world.naming = Promise.resolve();
    tell();
    // The first pass has none of it; whoever claims has it there by the second one.
    await expect.poll(() => world.named).toBe(2);
    world.unnamed.clear();
    indexer.claimed(PARTITION);
    await expect.poll(() => world.indexed()).toEqual(['early 2', 'late 2']);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
  });

  it('of long before is not made once more by a claim', async () => {
    const world = roomsWith('early');
    const indexer = feed(world);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    world.nowMs += 60_000;
    indexer.claimed(PARTITION);
    world.do('early', world.rooms.room('early').sendOf('a'));
    indexer.claimed(PARTITION);
    await expect.poll(() => world.indexed()).toEqual(['early 2', 'early 3']);
    expect(world.named).toBe(1);
  });

  it('for an index that is made anew counts for it, once that is in its place', async () => {
    const world = roomsWith('early', 'late');
    const indexer = feed(world);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    world.nowMs += 60_000;
    // While the other one is made, a store is away.
    world.unnamed.add('late');
    await indexer.rebuild?.begin();
    await expect.poll(() => world.disk.next).toBeNull();
    expect(world.indexed()).toEqual(['early 2']);
    world.unnamed.clear();
    indexer.claimed(PARTITION);
    await expect.poll(() => world.indexed()).toEqual(['early 2', 'late 2']);
  });
});

describe('a comparison with a store that has lost its end', () => {
  it('is not over before its owner has replayed it, and goes on at the next one (X2)', async () => {
    const world = new IndexedRooms();
    world.do('late', world.rooms.room('late').sendOf('b'));
    world.lost = 1;
    world.unnamed.add('late');
    const former = feed(world);
    await expect.poll(() => world.askedLost).toBeGreaterThan(2);
    expect(cursorOf(world)).toBe('1-1 comparing');
    former.stop();
    world.lost = 0;
    world.unnamed.clear();
    feed(world);
    await expect.poll(() => world.indexed()).toEqual(['late 2']);
    await expect.poll(() => cursorOf(world)).toBe('1-1');
  });
});

describe('a changefeed', () => {
  it('whose end the store has lost is followed no further before its owner has replayed it (X2)', async () => {
    const world = new IndexedRooms();
    const say = (user: string): void => {
      world.do('room', world.rooms.room('room').sendOf(user));
    };
    say('a');
    const indexer = feed(world);
    await expect.poll(() => cursorOf(world)).toBe('1-1');
    world.nowMs += 60_000;
    for (const user of ['a', 'b', 'a']) say(user);
    world.lost = 2;
    indexer.claimed(PARTITION);
    await expect.poll(() => world.askedLost).toBeGreaterThan(2);
    expect(cursorOf(world)).toBe('1-1');
    world.lost = 0;
    await expect.poll(() => cursorOf(world)).toBe('1-4');
    expect(world.indexed()).toEqual(['room 2', 'room 3', 'room 4', 'room 5']);
  });
});

describe('messages', () => {
  it('that were read when the store had lost its end are read again (X2)', async () => {
    const world = new IndexedRooms();
    const { reads } = world.node;
    let isLosing = false;
    const range: typeof reads.timelines.range = (...args) => {
      if (isLosing) world.lost = 1;
      return reads.timelines.range(...args);
    };
    const timelines = { range, at: reads.timelines.at.bind(reads.timelines) };
    world.do('room', world.rooms.room('room').sendOf('a'));
    const { follower } = follow(world, { ...world.node, reads: { ...reads, timelines } });
    await expect.poll(() => cursorOf(world)).toBe('1-1');
    isLosing = true;
    world.do('room', world.rooms.room('room').sendOf('b'));
    follower.wake();
    await expect.poll(() => world.askedLost).toBeGreaterThan(2);
    expect(world.indexed()).toEqual(['room 2']);
    isLosing = false;
    world.lost = 0;
    await expect.poll(() => world.indexed()).toEqual(['room 2', 'room 3']);
  });
});

describe('an index that is being made anew', () => {
  it('is begun once more where it may hold what was lost meanwhile (X2)', async () => {
    const world = roomsWith('early');
    await world.index.beginRebuild();
    const lost = { ...aDocument(9), conversation: 'early' as ConversationId };
    const batch = { partition: PARTITION, after: null, cursor: '1-7@1 comparing', through: [] };
    const applied = await world.index.apply({ ...batch, changes: [{ kind: 'put', document: lost }] }, 'next');
    expect(applied.ok).toBe(true);
    world.gen = generation(2);
    feed(world);
    await expect.poll(() => world.disk.next).toBeNull();
    await expect.poll(() => cursorOf(world)).toBe('2-0@1');
    expect(world.indexed()).toEqual(['early 2']);
  });
});

describe('an index that is ahead of its store', () => {
  it('is gone through once, and followed from there', async () => {
    const world = roomsWith('early');
    const applied = await world.index.apply({
      ...{ partition: PARTITION, after: null, cursor: '1-7', changes: [], through: [] },
    });
    expect(applied.ok).toBe(true);
    feed(world);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(world.named).toBe(1);
    expect(world.indexed()).toEqual(['early 2']);
  });

  it('is forgotten in this version alone: another node has made the other one, and does not look again (X2)', async () => {
    const world = roomsWith('early');
    const [partition, conversation] = [PARTITION, 'early' as ConversationId];
    const behind = { partition, after: null, through: [{ conversation, gen: generation(1), seq: sequenceId(2) }] };
    const put = (seq: number): Change => ({ kind: 'put', document: { ...aDocument(seq), conversation } });
    await world.index.apply({ ...behind, cursor: '1-7', changes: [put(2), put(9)] });
    await world.index.beginRebuild();
    await world.index.apply({ ...behind, cursor: '1-0@1', changes: [put(2)] }, 'next');
    follow(world);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    expect(world.indexed()).toEqual(['early 2']);
    expect([...(world.disk.next?.conversations.get(conversation)?.messages.keys() ?? [])]).toEqual([2]);
  });

  it('is not forgotten by a node that another one has taken the partition from (X2)', async () => {
    const world = roomsWith('early');
    await world.index.apply({ partition: PARTITION, after: null, cursor: '1-7', changes: [], through: [] });
    let isAsked = false;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const headOf: IndexerNode['headOf'] = async (conversation) => {
      const head = await world.node.headOf(conversation);
      isAsked = true;
      await held;
      return head;
    };
    const former = follow(world, { ...world.node, headOf });
    await expect.poll(() => isAsked).toBe(true);
    world.do('early', world.rooms.room('early').sendOf('a'));
    follow(world);
    await expect.poll(() => cursorOf(world)).toBe('1-1');
    // It learns of that with its next batch.
    former.follower.stop();
    release();
    await former.ended;
    expect(world.indexed()).toEqual(['early 2', 'early 3']);
  });
});

describe('what is erased', () => {
  it('amid a batch that was read before and comes into the index behind the erasure is forgotten by the next one', async () => {
    const world = new IndexedRooms();
    for (const user of ['b', 'a']) world.rooms.do('room', world.rooms.room('room').sendOf(user));
    let isHeld = false;
    let reached = false;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const index = applyingBehind(world.index, async () => {
      reached ||= isHeld;
      if (isHeld) await held;
    });
    const indexer = feed(world, index);
    await expect.poll(() => cursorOf(world)).toBe('1-0');
    expect(world.indexed()).toEqual(['room 2', 'room 3']);
    // Long behind the comparison: the changefeed is followed.
    world.nowMs += 60_000;
    isHeld = true;
    world.do('room', world.rooms.room('room').sendOf('b'));
    indexer.claimed(PARTITION);
    await expect.poll(() => reached).toBe(true);
    world.do('room', { t: 'eraseUser', user: b, pinned: [] });
    await world.index.eraseSender(b);
    expect(world.indexed()).toEqual(['room 3']);
    const { seq } = world.rooms.room('room').state.head.value;
    isHeld = false;
    release();
    await expect.poll(() => world.disk.live.conversations.get('room' as never)?.through?.seq).toBe(seq);
    expect(world.indexed()).toEqual(['room 3']);
  });
});
