import { describe, expect, it } from 'vitest';
import { takenSoon } from './at-rest.ts';
import { aServingOwner, keyOf } from './testing/an-owner.ts';

describe('a question to an actor', () => {
  it('is answered at once by one that rests, with what is stored, and of what the mailbox would answer', async () => {
    const { owner, store, time, post, heard } = await aServingOwner();
    post('a');
    await time.settle();
    const told = heard.length;
    expect(owner.ask(keyOf('a'), 'count')).toBe(1);
    const asked = post('a', 'count');
    await time.settle();
    expect(asked.outcome).toEqual({ ok: true, value: 1 });
    expect(heard[told]).toEqual(heard[told + 1]);
    expect(store.executed).toHaveLength(2);
  });

  it('waits in the mailbox for one that is not in memory, or whose commit is not answered yet (P2, I1)', async () => {
    const { owner, store, time, post } = await aServingOwner();
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    post('a');
    await time.settle();
    store.isHolding = true;
    post('a');
    // Also before it was handled: what was asked before is answered before.
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    await time.settle();
    expect(store.inFlight).toBe(1);
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    store.letGo();
    await time.settle();
    expect(owner.ask(keyOf('a'), 'count')).toBe(2);
  });

  it('is not answered from memory without the lease, or while the partition is claimed anew (P5)', async () => {
    const { owner, store, time, lease, post } = await aServingOwner();
    post('a');
    await time.settle();
    lease.isHeld = false;
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    lease.isHeld = true;
    expect(owner.ask(keyOf('a'), 'count')).toBe(1);
    owner.reclaim();
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    await time.settle();
    expect(owner.ask(keyOf('a'), 'count')).toBe(1);
    // The claim waits for the answer to a commit, and what rests waits with it.
    store.isHolding = true;
    post('b');
    await time.settle();
    expect(owner.ask(keyOf('a'), 'count')).toBe(1);
    owner.reclaim();
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
    store.letGo();
    store.isHolding = false;
    await time.settle();
    expect(owner.ask(keyOf('a'), 'count')).toBe(1);
    owner.abandon('the node is going down');
    expect(owner.ask(keyOf('a'), 'count')).toBe(null);
  });

  it('that its handler throws at goes the way of the mailbox, where it is set aside', async () => {
    const { owner, time, post } = await aServingOwner();
    post('a', 'count');
    await time.settle();
    expect(owner.ask(keyOf('a'), 'bug')).toBe(null);
  });

  it('has its answer taken behind the call that asked, and ends nothing when the taker throws', async () => {
    const heard: unknown[] = [];
    const take = (reply: number): void => {
      heard.push(reply);
      throw new Error('a taker that throws');
    };
    takenSoon(7, take, (error) => heard.push(String(error)));
    expect(heard).toEqual([]);
    await new Promise(setImmediate);
    expect(heard).toEqual([7, 'Error: a taker that throws']);
  });
});
