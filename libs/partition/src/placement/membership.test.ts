import { InvariantViolation, type NodeId } from '@millrace/kernel';
import { beforeEach, describe, expect, it } from 'vitest';
import { HandDriven } from '../testing/hand-driven.ts';
import { emptyView, type ClusterView } from './cluster-view.ts';
import { aMembership, LEASE_MS } from './testing/a-node.ts';
import { aMember } from './testing/placed-cluster.ts';
import { ScriptedCluster } from './testing/scripted-cluster.ts';

const THIRD_MS = LEASE_MS / 3;
const view = (version: number): ClusterView => ({ ...emptyView(1), version, owners: ['a'] });
let time: HandDriven;
let store: ScriptedCluster;

beforeEach(() => {
  time = new HandDriven();
  store = new ScriptedCluster(time.clock);
});

async function aMemberOf() {
  const made = aMembership(store, time);
  const joined = made.membership.join();
  await time.settle();
  expect(await joined).toBe(true);
  made.called.length = 0;
  return made;
}

describe('a node that joins', () => {
  it('holds nothing before it is registered, and waits for a store that is away', async () => {
    store.isAway = true;
    const { membership, called } = aMembership(store, time);
    let joined: boolean | null = null;
    void membership.join().then((isMember) => (joined = isMember));
    await time.advance(1_900);
    expect([joined, membership.isHeld, store.count('register')]).toEqual([null, false, 4]);
    store.isAway = false;
    await time.advance(200);
    expect([joined, membership.isHeld]).toEqual([true, true]);
    expect(called).toEqual(['told']);
  });

  it('is given the stored view when it holds the right to act by it', async () => {
    store.view = view(7);
    const { membership, called } = aMembership(store, time);
    void membership.join();
    await time.settle();
    expect(called).toEqual(['view 7 held', 'told']);
    expect(membership.view).toEqual(view(7));
  });

  it('that another run replaced already does not become a member', async () => {
    store.replaced.set('a.1' as NodeId, 'a.2' as NodeId);
    const { membership, called } = aMembership(store, time);
    const joined = membership.join();
    await time.settle();
    expect(await joined).toBe(false);
    expect(called).toEqual(['lost: run a.2 of this node replaced it']);
  });

  it('that leaves before it could join is not waited for', async () => {
    store.isAway = true;
    const { membership } = aMembership(store, time);
    const joined = membership.join();
    await time.settle();
    await membership.leave();
    expect(await joined).toBe(false);
    const { length } = store.asked;
    await time.advance(LEASE_MS);
    expect(store.asked).toHaveLength(length);
  });
});

describe('the right to act', () => {
  it('is renewed three times in a lease, and so does not end', async () => {
    const { membership, called } = await aMemberOf();
    for (let passed = 0; passed < 4 * LEASE_MS; passed += 100) {
      await time.advance(100);
      expect(membership.isHeld).toBe(true);
    }
    expect(store.count('register')).toBe(13);
    expect(called).toEqual([]);
  });

  it('ends on the clock of this node, though no answer ever said so (I10)', async () => {
    const { membership } = await aMemberOf();
    store.isAway = true;
    await time.advance(LEASE_MS - 1);
    expect(membership.isHeld).toBe(true);
    await time.advance(1);
    expect(membership.isHeld).toBe(false);
  });

  it('counts from before the request: an answer that was slow does not lengthen it (I10)', async () => {
    const { membership } = await aMemberOf();
    store.isHolding = true;
    await time.advance(THIRD_MS + 900);
    store.letGo();
    store.isAway = true;
    await time.advance(LEASE_MS - 901);
    expect(membership.isHeld).toBe(true);
    await time.advance(1);
    expect(membership.isHeld).toBe(false);
  });

  it('is not gained by an answer that took longer than the lease', async () => {
    const { membership, called } = await aMemberOf();
    store.isHolding = true;
    await time.advance(THIRD_MS + LEASE_MS);
    store.isAway = true;
    store.letGo();
    await time.settle();
    expect(membership.isHeld).toBe(false);
    expect(called.filter((each) => each.startsWith('regained'))).toEqual([]);
  });

  it('that lapsed is regained at once when the store is back, and told before anything else can act', async () => {
    const { membership, called } = await aMemberOf();
    store.isAway = true;
    await time.advance(LEASE_MS + 100);
    expect(membership.isHeld).toBe(false);
    store.isAway = false;
    membership.renewNow();
    await time.settle();
    expect(membership.isHeld).toBe(true);
    expect(called).toEqual(['regained held', 'told']);
  });

  it('that lapsed is regained only after a newer view was handed on, so that nothing is claimed back (M5)', async () => {
    const { membership, called } = await aMemberOf();
    store.isAway = true;
    await time.advance(LEASE_MS);
    store.isAway = false;
    store.view = view(3);
    membership.renewNow();
    await time.settle();
    expect(called).toEqual(['view 3 not held', 'regained held', 'told']);
  });

  it('that was renewed in time is not regained, though the renewals before were not answered', async () => {
    const { membership, called } = await aMemberOf();
    store.repliesLost = 2;
    await time.advance(LEASE_MS - 100);
    expect([store.repliesLost, membership.isHeld]).toEqual([0, true]);
    expect(called).toEqual([]);
  });

  it('ends for ever when another run of the node has registered (M2)', async () => {
    const { membership, called } = await aMemberOf();
    store.replaced.set('a.1' as NodeId, 'a.2' as NodeId);
    membership.renewNow();
    await time.settle();
    expect(called).toEqual(['lost: run a.2 of this node replaced it']);
    expect(membership.isHeld).toBe(false);
    store.replaced.clear();
    const { length } = store.asked;
    membership.renewNow();
    await time.advance(2 * LEASE_MS);
    expect([store.asked.length, membership.isHeld]).toEqual([length, false]);
  });

  it('ends at once with leaving, whatever answer is still under way (M2)', async () => {
    const { membership, called } = await aMemberOf();
    store.isHolding = true;
    membership.renewNow();
    await time.settle();
    const left = membership.leave();
    expect(membership.isHeld).toBe(false);
    store.letGo();
    await time.settle();
    await left;
    expect([membership.isHeld, store.registrations.size]).toEqual([false, 0]);
    await time.advance(LEASE_MS);
    expect(store.asked.at(-1)).toBe('leave a');
    membership.offer(view(9));
    expect(called).toEqual([]);
  });
});

describe('a renewal', () => {
  it('that is to be told now is told by one that begins from here on, and not by one that is under way', async () => {
    const { membership, called } = await aMemberOf();
    store.view = view(7);
    store.isHolding = true;
    membership.renewNow();
    store.view = view(8);
    const isTold = membership.tellNow();
    await time.settle();
    store.letGo();
    const told: unknown[] = [];
    for (let looks = 0; looks < 3; looks += 1) {
      told.push([isTold(), membership.view?.version]);
      await time.advance(1);
    }
    expect(told.at(-1)).toEqual([true, 8]);
    expect(told).not.toContainEqual([true, 7]);
    store.isAway = true;
    const isToldAgain = membership.tellNow();
    await time.advance(100);
    expect(isToldAgain()).toBe(false);
    store.isAway = false;
    await time.advance(THIRD_MS);
    expect(isToldAgain()).toBe(true);
    expect(called.filter((each) => each.startsWith('view'))).toEqual(['view 7 held', 'view 8 held']);
  });

  it('that is asked for while one is under way follows it, and does not run beside it (M4)', async () => {
    const { membership } = await aMemberOf();
    store.isHolding = true;
    const { length } = store.asked;
    for (let count = 0; count < 5; count += 1) membership.renewNow();
    await time.advance(THIRD_MS);
    expect(store.asked).toHaveLength(length + 1);
    store.letGo();
    await time.advance(10);
    expect(store.asked).toHaveLength(length + 2);
  });

  it('asked for within the callbacks does not run beside another one either (M4)', async () => {
    const { membership, called } = await aMemberOf();
    called.push = (...what: string[]) => {
      membership.renewNow();
      membership.renewNow();
      return what.length;
    };
    store.view = view(2);
    const { length } = store.asked;
    membership.renewNow();
    await time.settle();
    await time.advance(10);
    expect(store.asked).toHaveLength(length + 2);
  });
});

describe('the view', () => {
  it('never goes back to an older version (M3)', async () => {
    const { membership, called } = await aMemberOf();
    for (const version of [4, 3, 4, 6, 5]) membership.offer(view(version));
    store.view = view(5);
    await time.advance(THIRD_MS);
    expect(called).toEqual(['view 4 held', 'view 6 held']);
    expect(membership.view).toEqual(view(6));
    expect(store.asked.at(-1)).toBe('register a 6/0');
  });

  it('comes with a renewal when it came no other way', async () => {
    const { called } = await aMemberOf();
    store.view = view(5);
    await time.advance(THIRD_MS);
    expect(called).toEqual(['view 5 held']);
  });

  it('that is settled is told within some ms, and then the coordinator is to be poked', async () => {
    const { membership, called } = await aMemberOf();
    membership.offer(view(4));
    called.length = 0;
    membership.settled(4);
    await time.advance(10);
    expect(store.asked.at(-1)).toBe('register a 4/4');
    expect(called).toEqual(['told']);
    await time.advance(10);
    expect(called).toEqual(['told']);
  });

  it('that is settled while a renewal is under way, or lost its answer, is told by the next one, soon', async () => {
    const { membership, called } = await aMemberOf();
    membership.offer(view(4));
    store.isHolding = true;
    membership.renewNow();
    await time.settle();
    membership.settled(4);
    store.letGo();
    store.repliesLost = 1;
    await time.advance(10);
    expect(store.asked.at(-1)).toBe('register a 4/0');
    await time.advance(600);
    expect(store.asked.at(-1)).toBe('register a 4/4');
    expect(called.at(-1)).toBe('told');
  });

  it('may be settled as soon as it is handed on, and settled once', async () => {
    const { membership } = await aMemberOf();
    membership.offer(view(4));
    membership.settled(4);
    membership.settled(4);
    membership.settled(3);
    const before = store.count('register');
    await time.advance(20);
    expect(store.count('register')).toBe(before + 1);
    expect(() => {
      membership.settled(5);
    }).toThrow(InvariantViolation);
  });
});

describe('a node that drains', () => {
  it('says so at once, and in every renewal after', async () => {
    const { membership, called } = await aMemberOf();
    membership.drain();
    await time.settle();
    expect(store.asked.at(-1)).toBe('register a 0/0 draining');
    expect(called).toEqual(['told']);
    const asked = store.count('register');
    membership.drain();
    await time.settle();
    expect(store.count('register')).toBe(asked);
    await time.advance(THIRD_MS);
    expect(store.registrations.get('a')?.member).toEqual(aMember('a', 1, { isDraining: true }));
  });

  it('before it could join joins as one that drains', async () => {
    store.isHolding = true;
    const { membership } = aMembership(store, time);
    const joined = membership.join();
    await time.settle();
    membership.drain();
    store.letGo();
    await joined;
    await time.advance(10);
    expect(store.registrations.get('a')?.member.isDraining).toBe(true);
  });
});
