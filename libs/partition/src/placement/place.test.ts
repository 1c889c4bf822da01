import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, emptyView, type ClusterView } from './cluster-view.ts';
import { nextView } from './place.ts';
import { aMember, PlacedCluster } from './testing/placed-cluster.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** A cluster of `count` members, settled. */
function settled(partitionCount: number, count: number, movesMax = 16): PlacedCluster {
  const cluster = new PlacedCluster(partitionCount, movesMax);
  for (let index = 0; index < count; index += 1) cluster.start(`node${String(index)}`);
  cluster.converge();
  return cluster;
}

/** The partitions whose owner is another one now. */
const moved = (before: readonly (string | null)[], after: readonly (string | null)[]): readonly number[] =>
  before.flatMap((owner, partition) => (owner === after[partition] ? [] : [partition]));

function isEven({ loads, view }: PlacedCluster): boolean {
  const share = view.owners.length / loads.length;
  return loads.every((load) => Math.abs(load - share) < 1);
}

const sizes = { partitions: fc.integer({ min: 1, max: 300 }), count: fc.integer({ min: 1, max: 12 }) };

describe('the first view', () => {
  it('gives the first member everything, at once', () => {
    const cluster = new PlacedCluster(256);
    cluster.start('a');
    expect(cluster.step()).toBe(true);
    expect(cluster.view).toMatchObject({ version: 1, members: [{ name: 'a' }] });
    expect(cluster.owned('a')).toHaveLength(256);
    expect(cluster.step()).toBe(false);
  });

  it('places evenly on all that are there', () => {
    fc.assert(
      fc.property(sizes.partitions, sizes.count, (partitions, count) => {
        const cluster = new PlacedCluster(partitions);
        for (let index = 0; index < count; index += 1) cluster.start(`node${String(index)}`);
        cluster.step();
        expect(isEven(cluster)).toBe(true);
        expect(cluster.step()).toBe(false);
      }),
    );
  });

  it('owns nothing as long as nobody may own', () => {
    const cluster = new PlacedCluster(8);
    cluster.start('a', ['gateway', 'jobs']);
    cluster.start('b');
    cluster.drain('b');
    cluster.step();
    expect(cluster.view.owners).toEqual(Array.from({ length: 8 }, () => null));
  });

  it('gives most partitions to their first choice, so that a cluster born anew looks like the old one', () => {
    const cluster = settled(256, 4);
    const again = new PlacedCluster(256);
    for (let index = 4; index >= 0; index -= 1) if (index !== 2) again.start(`node${String(index)}`);
    again.step();
    const ofThree = ['node0', 'node1', 'node3'];
    const stayed = ofThree.flatMap((name) => cluster.owned(name).filter((at) => again.view.owners[at] === name));
    // Three of four names are the same; by chance alone each partition would stay with a probability of one in four.
    expect(stayed.length).toBeGreaterThan(192 * 0.6);
  });
});

describe('a member that joins', () => {
  it('takes at most its share over all rounds, and nothing moves but to it', () => {
    fc.assert(
      fc.property(sizes.partitions, sizes.count, fc.integer({ min: 1, max: 20 }), (partitions, count, movesMax) => {
        const cluster = settled(partitions, count, movesMax);
        const before = cluster.view.owners;
        cluster.start('new');
        let changes = 0;
        for (let owners = before; cluster.step(); owners = cluster.view.owners) {
          const round = moved(owners, cluster.view.owners);
          expect(round.length).toBeLessThanOrEqual(movesMax);
          expect(round.every((partition) => cluster.view.owners[partition] === 'new')).toBe(true);
          changes += round.length;
          cluster.settleAll();
        }
        expect(moved(before, cluster.view.owners)).toHaveLength(changes);
        expect(changes).toBeLessThanOrEqual(Math.ceil(partitions / (count + 1)));
        expect(isEven(cluster)).toBe(true);
      }),
    );
  });

  it('waits for every member to settle, itself included, before each round', () => {
    const cluster = settled(64, 2, 8);
    cluster.start('node2');
    cluster.step();
    expect([cluster.view.version, cluster.owned('node2').length]).toEqual([2, 0]);
    cluster.settle('node0');
    cluster.settle('node1');
    expect(cluster.step()).toBe(false);
    cluster.settle('node2');
    expect(cluster.step()).toBe(true);
    expect(cluster.owned('node2')).toHaveLength(1);
    cluster.settle('node0');
    cluster.settle('node2');
    expect(cluster.step()).toBe(false);
    cluster.settle('node1');
    cluster.step();
    expect(cluster.owned('node2')).toHaveLength(2);
  });

  it('has few senders wait for it while it is new: a round at most doubles what it has', () => {
    const cluster = settled(256, 3, 16);
    cluster.start('node3');
    cluster.step();
    cluster.settleAll();
    const had: number[] = [];
    while (cluster.step()) {
      had.push(cluster.owned('node3').length);
      cluster.settleAll();
    }
    expect(had).toEqual([1, 2, 4, 8, 16, 32, 48, 64]);
  });

  it('leaves the rounds of a drain as large as they may be: who takes has some already', () => {
    const cluster = settled(256, 4, 16);
    const before = cluster.view.owners;
    cluster.drain('node3');
    cluster.step();
    expect(moved(before, cluster.view.owners)).toHaveLength(16);
  });

  it('is given what the others have the least use for', () => {
    const cluster = settled(256, 3);
    const before = cluster.view.owners;
    cluster.start('node3');
    cluster.converge();
    const ofFour = new PlacedCluster(256);
    for (const name of ['node0', 'node1', 'node2', 'node3']) ofFour.start(name);
    ofFour.step();
    const taken = moved(before, cluster.view.owners);
    const wouldHaveTaken = taken.filter((partition) => ofFour.view.owners[partition] === 'node3');
    // By chance it would be one in four.
    expect(wouldHaveTaken.length).toBeGreaterThan(taken.length / 3);
  });

  it('without the role is a member that owns nothing', () => {
    const cluster = settled(64, 2);
    const before = cluster.view.owners;
    cluster.start('socket', ['gateway']);
    cluster.converge();
    expect(cluster.view.members.map(({ name }) => name)).toEqual(['node0', 'node1', 'socket']);
    expect(cluster.view.owners).toEqual(before);
  });
});

describe('a member that goes', () => {
  it('dead, gives up what it had, at once, and nothing else moves', () => {
    fc.assert(
      fc.property(sizes.partitions, fc.integer({ min: 2, max: 12 }), fc.nat(), (partitions, count, which) => {
        const cluster = settled(partitions, count);
        const before = cluster.view.owners;
        const gone = `node${String(which % count)}`;
        const had = cluster.owned(gone);
        cluster.end(gone);
        // Nobody has settled anything; the dead member's partitions do not wait for that.
        expect(cluster.step()).toBe(true);
        expect(moved(before, cluster.view.owners)).toEqual(had);
        expect(isEven(cluster)).toBe(true);
        cluster.settleAll();
        expect(cluster.step()).toBe(false);
      }),
    );
  });

  it('draining, gives up what it had by rounds, and nothing else moves', () => {
    const cluster = settled(96, 3, 5);
    const before = cluster.view.owners;
    const had = cluster.owned('node1');
    cluster.drain('node1');
    cluster.step();
    let views = 1;
    for (let left = had.length - 5; left > 0; left -= 5) {
      expect(cluster.owned('node1')).toHaveLength(left);
      expect(cluster.step()).toBe(false);
      cluster.settleAll();
      cluster.step();
      views += 1;
    }
    expect(views).toBe(7);
    expect(cluster.owned('node1')).toEqual([]);
    expect(moved(before, cluster.view.owners)).toEqual(had);
    expect(isEven(cluster)).toBe(true);
  });

  it('draining, keeps what it has as long as there is no other', () => {
    const cluster = settled(8, 1);
    cluster.drain('node0');
    cluster.converge();
    expect(cluster.owned('node0')).toHaveLength(8);
    cluster.end('node0');
    cluster.converge();
    // Nobody is there to take them: the old owner stands, for when it comes back.
    expect(cluster.view).toMatchObject({ members: [] });
    expect(cluster.owned('node0')).toHaveLength(8);
    cluster.start('node9');
    cluster.step();
    expect(cluster.owned('node9')).toHaveLength(8);
  });

  it('and comes back as another run, keeps everything', () => {
    const cluster = settled(64, 3);
    const before = cluster.view;
    cluster.start('node1');
    expect(cluster.step()).toBe(true);
    expect(cluster.view.version).toBe(before.version + 1);
    expect(cluster.view.owners).toEqual(before.owners);
    expect(cluster.view.members[1]?.node).not.toBe(before.members[1]?.node);
  });

  it('and comes back without the role, is no owner any more', () => {
    const cluster = settled(64, 3);
    cluster.start('node1', ['gateway']);
    cluster.step();
    expect(cluster.owned('node1')).toEqual([]);
  });
});

describe('a view', () => {
  it('is above every version that a living member knows, though nothing else changes', () => {
    const cluster = settled(64, 2);
    const before = cluster.view;
    const [first, second] = cluster.living;
    if (first === undefined || second === undefined) throw new Error('two members');
    const living = [first, { ...second, knownVersion: 40, settledVersion: 40 }];
    expect(nextView(before, living, { movesPerRoundMax: 16 })).toEqual({ ...before, version: 41 });
  });

  it('is followed by one with the next version when a member knows another view of its version', () => {
    const cluster = settled(64, 2);
    const before = cluster.view;
    const living = cluster.living.map((each, at) => (at === 0 ? each : { ...each, knownDigest: 'another' }));
    expect(nextView(before, living, { movesPerRoundMax: 16 })).toEqual({ ...before, version: before.version + 1 });
    // Of what is older it does not matter what it was.
    const behind = living.map((each) => ({ ...each, knownVersion: 0 }));
    expect(nextView(before, behind, { movesPerRoundMax: 16 })).toBeNull();
  });

  it('does not begin a round of moves while a member knows another history', () => {
    const cluster = settled(64, 2);
    cluster.start('node2');
    cluster.step();
    const { version } = cluster.view;
    const living = cluster.living.map(({ member }) => ({
      member,
      knownVersion: 9,
      knownDigest: 'another',
      settledVersion: version,
    }));
    const next = nextView(cluster.view, living, { movesPerRoundMax: 16 });
    expect(next).toEqual({ ...cluster.view, version: 10 });
  });

  it('begins no round on a settled version that is not its own', () => {
    const cluster = settled(64, 2);
    cluster.start('node2');
    cluster.step();
    const { version } = cluster.view;
    const living = cluster.living.map(({ member }) => ({
      member,
      knownVersion: version,
      knownDigest: digestOf(cluster.view),
      settledVersion: version + 4,
    }));
    expect(nextView(cluster.view, living, { movesPerRoundMax: 16 })).toBeNull();
  });

  it('follows a change of an address or a role, or of what a coordinator before has not told', () => {
    const cluster = settled(8, 1);
    const [only] = cluster.living;
    if (only === undefined) throw new Error('one member');
    const moved = [{ url: 'http://elsewhere' }, { socketUrl: 'ws://elsewhere' }];
    const changes = [...moved, { roles: ['actors'] as const }, { rolls: true as const }, { speaks: 2 }];
    for (const change of changes) {
      const living = [{ ...only, member: { ...only.member, ...change } }];
      expect(nextView(cluster.view, living, { movesPerRoundMax: 16 })).toMatchObject({ members: [change] });
    }
  });
});

const event = fc.record({
  do: fc.constantFrom('join', 'join', 'join', 'socket', 'end', 'drain', 'restart', 'settle', 'settle', 'lose'),
  name: fc.constantFrom(...NAMES),
  steps: fc.nat(3),
});

describe('whatever happens in the cluster', () => {
  it('every view keeps to the rules, and in the end loads are within 1 of even', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 130 }),
        fc.integer({ min: 1, max: 16 }),
        fc.array(event, { maxLength: 40, size: 'max' }),
        (partitions, movesMax, events) => {
          const cluster = new PlacedCluster(partitions, movesMax);
          for (const { do: what, name, steps } of events) {
            if (what === 'join') cluster.start(name);
            else if (what === 'socket') cluster.start(name, ['gateway']);
            else if (what === 'end') cluster.end(name);
            else if (what === 'drain') cluster.drain(name);
            else if (what === 'restart' && cluster.standings.has(name)) cluster.start(name);
            else if (what === 'settle') cluster.settleAll();
            // The store lost the newest views; the members still know them.
            else if (what === 'lose')
              cluster.view = { ...cluster.view, version: Math.max(0, cluster.view.version - 2) };
            for (let step = 0; step <= steps; step += 1) {
              stepByTheRules(cluster);
              cluster.settle(name);
            }
          }
          if (cluster.takers.length === 0) cluster.start('a');
          cluster.converge();
          expect(isEven(cluster)).toBe(true);
          const share = partitions / cluster.loads.length;
          expect(Math.max(...cluster.loads)).toBeLessThanOrEqual(Math.max(Math.ceil(share), 1.25 * share));
        },
      ),
    );
  });

  function stepByTheRules(cluster: PlacedCluster): void {
    const before = cluster.view;
    const { living } = cluster;
    const known = Math.max(before.version, ...living.map(({ knownVersion }) => knownVersion));
    if (!cluster.step()) return;
    const { version, owners, members } = cluster.view;
    expect(version).toBe(known + 1);
    expect(members.map(({ name }) => name)).toEqual([...cluster.standings.keys()].sort());
    const changes = moved(before.owners, owners);
    const isOwner = (name: string | null | undefined): boolean =>
      members.some((member) => member.name === name && member.roles.includes('actors'));
    const planned = changes.filter((partition) => isOwner(before.owners[partition]));
    const isSettled = living.every((each) => each.settledVersion === before.version) && known === before.version;
    expect(planned.length).toBeLessThanOrEqual(isSettled ? cluster.movesMax : 0);
    // Whatever moved, moved to somebody who may own; and nobody is left without an owner or with a dead one.
    expect(changes.every((partition) => cluster.takers.includes(owners[partition] ?? ''))).toBe(true);
    if (cluster.takers.length > 0) expect(owners.every(isOwner)).toBe(true);
    else expect(changes).toEqual([]);
    checkSuccession(before, cluster.view);
  }

  /** A partition is its owner's since the view that gave it to that run, and names whom the owner before had it from. */
  function checkSuccession(before: ClusterView, after: ClusterView): void {
    const runIn = ({ members }: ClusterView, name: string | null): string | undefined =>
      members.find((member) => member.name === name)?.node;
    for (const [partition, owner] of after.owners.entries()) {
      const run = runIn(after, owner);
      const isOther = owner !== before.owners[partition] || (run !== undefined && run !== runIn(before, owner));
      const [since, previous] = [before.since[partition], before.before[partition]];
      const expected = isOther ? [after.version, since] : [since, previous];
      expect([after.since[partition], after.before[partition]]).toEqual(expected);
    }
  }

  it('the next view does not depend on the order in which members are told', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }),
        fc.func(fc.integer()),
        fc.array(fc.option(fc.constantFrom(...NAMES, 'gone')), { minLength: 1, maxLength: 60 }),
        (names, keyOf, owners) => {
          const view = { ...emptyView(owners.length), version: 3, owners };
          const living = names.map((name) => ({
            member: aMember(name),
            knownVersion: 3,
            knownDigest: digestOf(view),
            settledVersion: 3,
          }));
          const shuffled = [...living].sort((left, right) => keyOf(left.member.name) - keyOf(right.member.name));
          const limits = { movesPerRoundMax: 5 };
          expect(nextView(view, shuffled, limits)).toEqual(nextView(view, living, limits));
        },
      ),
    );
  });
});
