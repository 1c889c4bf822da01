import { beforeEach, describe, expect, it } from 'vitest';
import { HandDriven } from '../testing/hand-driven.ts';
import { digestOf, emptyView, type ClusterView } from './cluster-view.ts';
import { aCoordinator, LEASE_MS, NodesOfOne } from './testing/a-node.ts';
import { aMember } from './testing/placed-cluster.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

const THIRD_MS = LEASE_MS / 3;
const FOREVER_MS = 1e9;
let time: HandDriven;
let store: ScriptedCluster;

beforeEach(() => {
  time = new HandDriven();
  store = new ScriptedCluster(time.clock);
});

/** Registers somebody, for so long. `knows` is what that one's view of that version is. */
function registered(name: string, leaseMs = FOREVER_MS, version = 0, settled = version, knows = store.view): void {
  const untilMs = time.clock.monotonicMs() + leaseMs;
  const digest = knows?.version === version ? digestOf(knows) : '-';
  store.registrations.set(name, { member: aMember(name), untilMs, known: { version, digest, settled } });
}

async function aLeader(known?: () => ClusterView | null) {
  registered('a');
  const made = aCoordinator(store, time, aMember('a'), 8, known);
  made.coordinator.start();
  await time.settle();
  return made;
}

const loadOf = (name: string): number => store.view?.owners.filter((owner) => owner === name).length ?? 0;

describe('the coordinator', () => {
  it('of a new cluster makes the first view, and announces it when it is stored', async () => {
    const { coordinator, announced } = await aLeader();
    expect(coordinator.isLeading).toBe(true);
    expect(coordinator.leader).toBe('a');
    expect(store.view).toMatchObject({ version: 1, members: [{ name: 'a' }] });
    expect(announced).toEqual([store.view]);
    await time.advance(LEASE_MS);
    expect(announced).toHaveLength(1);
  });

  it('asks for its lease three times in each, and for nothing else (C4)', async () => {
    const { coordinator } = await aLeader();
    registered('a', FOREVER_MS, 1);
    store.asked.length = 0;
    await time.advance(4 * LEASE_MS);
    expect(store.asked).toEqual(Array.from({ length: 12 }, () => 'lead a'));
    coordinator.stop();
    expect(coordinator.isLeading).toBe(false);
    coordinator.membersChanged();
    await time.advance(LEASE_MS);
    expect(store.asked).toHaveLength(12);
  });

  it('places a dead member\u2019s partitions within 100 ms after its registration ran out', async () => {
    await aLeader();
    registered('b', 1_234);
    await time.advance(THIRD_MS);
    expect(store.view).toMatchObject({ members: [{ name: 'a' }, { name: 'b' }] });
    store.view = { ...emptyView(8), version: 2, owners: ['a', 'a', 'a', 'a', 'b', 'b', 'b', 'b'] };
    registered('a', FOREVER_MS, 2);
    registered('b', 1_234, 2);
    await time.advance(1_200);
    expect(loadOf('b')).toBe(4);
    await time.advance(34 + 100);
    expect([loadOf('a'), loadOf('b')]).toEqual([8, 0]);
  });

  it('takes a member in within 100 ms of being poked, and otherwise with its next renewal', async () => {
    const { coordinator, announced } = await aLeader();
    await time.advance(100);
    registered('b');
    coordinator.membersChanged();
    await time.advance(100);
    expect(announced.at(-1)).toMatchObject({ version: 2, members: [{ name: 'a' }, { name: 'b' }] });
    registered('c');
    await time.advance(THIRD_MS);
    expect(announced.at(-1)).toMatchObject({ version: 3, members: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] });
  });

  it('gathers pokes, and has one request under way (C1)', async () => {
    const { coordinator } = await aLeader();
    store.asked.length = 0;
    for (let count = 0; count < 10; count += 1) coordinator.membersChanged();
    store.isHolding = true;
    await time.advance(10);
    expect(store.asked).toEqual(['lead a']);
    for (let count = 0; count < 10; count += 1) coordinator.membersChanged();
    await time.advance(THIRD_MS);
    expect(store.asked).toEqual(['lead a']);
    store.letGo();
    await time.advance(10);
    expect(store.asked).toEqual(['lead a', 'lead a']);
  });

  it('waits with a round of moves until every member has settled the one before', async () => {
    const { coordinator } = await aLeader();
    const asked = async (a: number, b: number): Promise<number> => {
      registered('a', FOREVER_MS, store.view?.version, a);
      registered('b', FOREVER_MS, store.view?.version, b);
      coordinator.membersChanged();
      await time.advance(10);
      return loadOf('b');
    };
    expect(await asked(1, 0)).toBe(0);
    expect(store.view?.version).toBe(2);
    expect(await asked(2, 1)).toBe(0);
    // Who has none gets one, and then as many as they have.
    expect(await asked(2, 2)).toBe(1);
    expect(store.view?.version).toBe(3);
    expect(await asked(2, 3)).toBe(1);
    expect(await asked(3, 3)).toBe(2);
    expect(await asked(4, 4)).toBe(4);
    expect(store.view?.version).toBe(5);
  });
});

describe('a view that is not taken', () => {
  it('because another one leads is neither announced nor known, and is decided again', async () => {
    const { coordinator, announced } = await aLeader();
    registered('b');
    store.isHolding = true;
    coordinator.membersChanged();
    await time.advance(10);
    // It had asked, and stood still; meanwhile another one led.
    store.term += 1;
    store.leader = { name: 'b', node: aMember('b').node, untilMs: time.clock.monotonicMs() + LEASE_MS };
    store.letGo();
    await time.advance(10);
    expect(store.asked.at(-1)).toBe('put 2');
    expect([store.view?.version, announced.length]).toEqual([1, 1]);
    await time.advance(300);
    expect([coordinator.isLeading, coordinator.leader]).toEqual([false, 'b']);
  });

  it('is not even sent when the lead ran out on this node\u2019s own clock (C2, I10)', async () => {
    const { coordinator, announced } = await aLeader();
    registered('b');
    store.isHolding = true;
    coordinator.membersChanged();
    await time.advance(10 + LEASE_MS);
    store.asked.length = 0;
    store.isAway = true;
    store.letGo();
    await time.settle();
    expect([store.asked, announced.length, coordinator.isLeading]).toEqual([[], 1, false]);
  });

  it('because the answer was lost is announced when it turns out to be stored', async () => {
    const { coordinator, announced } = await aLeader();
    registered('b');
    // The lead is answered, the put executed without an answer.
    const put = store.putView.bind(store);
    store.putView = async (...args) => {
      store.putView = put;
      await put(...args);
      return { code: 'unavailable', message: 'lost' };
    };
    coordinator.membersChanged();
    await time.advance(10);
    expect([store.view?.version, announced.length]).toEqual([2, 1]);
    await time.advance(300);
    expect(announced.at(-1)).toEqual(store.view);
    expect(announced).toHaveLength(2);
  });

  it('because the store is away is made soon after it is back', async () => {
    registered('a');
    store.isAway = true;
    const { coordinator, announced } = aCoordinator(store, time);
    coordinator.start();
    await time.advance(10_000);
    expect([announced.length, coordinator.isLeading]).toEqual([0, false]);
    store.isAway = false;
    await time.advance(200);
    expect(announced).toHaveLength(1);
  });
});

describe('a store that lost the newest view', () => {
  const known: ClusterView = {
    version: 9,
    members: [aMember('a'), aMember('b')],
    owners: ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'],
    since: [9, 8, 7, 6, 5, 4, 3, 2],
    before: [8, 7, 6, 5, 4, 3, 2, 1],
  };

  it('is given it again by a coordinator that knows it, as it was (C3)', async () => {
    store.view = { ...known, version: 7, owners: known.owners.map(() => 'b') };
    registered('b', FOREVER_MS, 9, 9, known);
    const { announced } = await aLeader(() => known);
    expect(store.view).toEqual(known);
    expect(announced).toEqual([known]);
  });

  it('is given one above everything that a member knows by a coordinator that does not', async () => {
    store.view = { ...known, version: 7 };
    registered('b', FOREVER_MS, 9);
    const { announced } = await aLeader();
    expect(announced).toEqual([{ ...known, version: 10 }]);
    expect(store.view).toEqual({ ...known, version: 10 });
  });

  it('and had another one made in its place, is given one that members of both histories follow', async () => {
    store.view = { ...known, owners: known.owners.map(() => 'b') };
    registered('b', FOREVER_MS, 9, 9, known);
    const { announced } = await aLeader();
    expect(announced).toEqual([{ ...store.view, version: 10 }]);
  });

  it('of another number of partitions is left alone', async () => {
    store.view = { ...known, owners: ['a', 'b'] };
    const { announced, errors } = await aLeader();
    expect([announced, store.count('put')]).toEqual([[], 0]);
    expect(errors).toEqual(['the stored view is of another number of partitions; nothing is placed']);
  });
});

describe('a coordinator that does not lead', () => {
  it('waits for the leader\u2019s remaining time, and takes over within 100 ms after it', async () => {
    registered('a');
    registered('b');
    store.leader = { name: 'b', node: aMember('b').node, untilMs: time.clock.monotonicMs() + 1_700 };
    const { coordinator } = aCoordinator(store, time);
    coordinator.start();
    await time.advance(1_690);
    expect([coordinator.isLeading, coordinator.leader]).toEqual([false, 'b']);
    await time.advance(100);
    expect(coordinator.isLeading).toBe(true);
    expect(store.count('lead')).toBe(3);
  });

  it('because it is not registered leads as soon as it is, when it is poked', async () => {
    const { coordinator } = aCoordinator(store, time);
    coordinator.start();
    await time.advance(100);
    expect([coordinator.isLeading, coordinator.leader]).toEqual([false, null]);
    registered('a');
    coordinator.membersChanged();
    await time.advance(10);
    expect(coordinator.isLeading).toBe(true);
  });
});

describe('the nodes of one cluster', () => {
  let cluster: NodesOfOne;
  beforeEach(async () => {
    cluster = new NodesOfOne(store, time, 24);
    for (const name of ['a', 'b', 'c']) await cluster.start(name);
    await time.advance(1_000);
  });

  const everybodyKnows = (): void => {
    for (const { membership } of cluster.nodes.values()) expect(membership.view).toEqual(store.view);
  };

  it('share the partitions within a second of joining, by many small rounds', () => {
    expect(['a', 'b', 'c'].map(loadOf)).toEqual([8, 8, 8]);
    everybodyKnows();
  });

  it('take over from a dead one, be it the coordinator, when its registration ran out', async () => {
    const leader = cluster.announced.at(-1)?.slice(-1) ?? '';
    for (const name of [leader === 'c' ? 'b' : 'c', leader]) {
      cluster.kill(name);
      await time.advance(THIRD_MS);
      expect(loadOf(name)).toBeGreaterThan(0);
      await time.advance(LEASE_MS - THIRD_MS + 100);
      expect(loadOf(name)).toBe(0);
      everybodyKnows();
    }
    const [last] = cluster.nodes.keys();
    expect(loadOf(last ?? '')).toBe(24);
  });

  it('follow a coordinator that leaves at once', async () => {
    await cluster.leave('a');
    await time.advance(100);
    expect(loadOf('a')).toBe(0);
    everybodyKnows();
  });

  it('move what a draining one has in rounds, each when all have settled the one before', async () => {
    cluster.slow.add('b');
    cluster.nodes.get('c')?.membership.drain();
    await time.advance(1_100);
    expect(loadOf('c')).toBe(4);
    await time.advance(2 * LEASE_MS);
    expect(loadOf('c')).toBe(4);
    cluster.settle('b');
    await time.advance(100);
    expect([...cluster.nodes.keys()].map(loadOf)).toEqual([12, 12, 0]);
    everybodyKnows();
  });

  it('keep what they own when one of them is started anew', async () => {
    const before = store.view;
    cluster.kill('b');
    await cluster.start('b', 2);
    await time.advance(1_000);
    expect(store.view?.owners).toEqual(before?.owners);
    expect(store.view?.members[1]?.node).toBe('b.2');
    everybodyKnows();
  });
});
