import { RestingActors } from '@millrace/actor';
import type { ActorKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Activations, type Activation } from './activations.ts';
import { HandDriven } from './testing/hand-driven.ts';

interface Actor {
  readonly weight: number;
  readonly name: string;
}

const key = (name: string): ActorKey => name as ActorKey;

function activations(mailboxMax = 100, names: readonly string[] = []) {
  const resting = new RestingActors<ActorKey, Actor>({ actorsMax: 50, weightMax: 50 });
  for (const name of names) resting.rest(key(name), { weight: 1, name }, 7);
  const time = new HandDriven();
  return { resting, time, active: new Activations<Actor, string>(resting, 7, mailboxMax, time.timers) };
}

const mails = (taken: readonly { readonly mail: string }[]): readonly string[] => taken.map(({ mail }) => mail);

describe('Activations', () => {
  it('hand out every mail once, in order for each actor, within the bounds of a batch (I9)', () => {
    const offers = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 80 });
    const bounds = fc.record({ most: fc.integer({ min: 1, max: 9 }), perActor: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(offers, bounds, (names, { most, perActor }) => {
        const { active } = activations(100, ['a', 'b', 'c', 'd']);
        names.forEach((name, index) => active.offer(key(name), `${name}${String(index)}`));
        expect(active.queued).toBe(names.length);
        const collected: string[] = [];
        while (active.hasReady) {
          const taken = active.collect(most, perActor);
          expect(taken.length).toBeLessThanOrEqual(most);
          expect(taken.length).toBeGreaterThan(0);
          for (const name of 'abcd')
            expect(mails(taken).filter((mail) => mail.startsWith(name)).length).toBeLessThanOrEqual(perActor);
          collected.push(...mails(taken));
        }
        expect(active.queued).toBe(0);
        for (const name of 'abcd') {
          const expected = names
            .map((each, index) => `${each}${String(index)}`)
            .filter((mail) => mail.startsWith(name));
          expect(collected.filter((mail) => mail.startsWith(name))).toEqual(expected);
        }
      }),
    );
  });

  it('come to everyone before a busy one comes again', () => {
    const { active } = activations(100, ['busy', 'b', 'c']);
    for (let count = 0; count < 10; count += 1) active.offer(key('busy'), `busy${String(count)}`);
    active.offer(key('b'), 'b');
    active.offer(key('c'), 'c');
    expect(mails(active.collect(2, 1))).toEqual(['busy0', 'b']);
    expect(mails(active.collect(2, 1))).toEqual(['c', 'busy1']);
  });

  it('take no mail over the bound of a mailbox (I9)', () => {
    const { active } = activations(2);
    expect(active.offer(key('a'), '1')).not.toBeNull();
    expect(active.offer(key('a'), '2')).not.toBeNull();
    expect(active.offer(key('a'), '3')).toBeNull();
    expect(active.offer(key('b'), '1')).not.toBeNull();
    expect(active.queued).toBe(3);
  });

  it('let an actor rest only when it has nothing to do for a while, and forget one that was never loaded', async () => {
    const { active, resting, time } = activations(10, ['a']);
    const activation = active.offer(key('a'), '1');
    if (activation === null) throw new Error('the mailbox has room');
    active.ranDry([activation]);
    await time.advance(5_000);
    expect(resting.size).toBe(0);
    active.collect(1, 1);
    active.ranDry([activation]);
    await time.advance(1_000);
    expect([resting.size, active.has(activation), active.isInMemory(key('a'))]).toEqual([0, true, true]);
    await time.advance(1_000);
    expect([resting.size, active.has(activation), active.isInMemory(key('a'))]).toEqual([1, false, true]);
    const unloaded = active.offer(key('b'), '1');
    if (unloaded === null) throw new Error('the mailbox has room');
    expect(active.hasReady).toBe(false);
    expect(active.awaken()).toEqual([unloaded]);
  });

  it('keep one awake that gets more meanwhile, and tell nothing of it then', async () => {
    const { active, resting, time } = activations(10, ['a']);
    const activation = active.offer(key('a'), '1');
    if (activation === null) throw new Error('the mailbox has room');
    expect(active.atRest(key('a'))).toBeUndefined();
    active.collect(1, 1);
    active.ranDry([activation]);
    expect(active.atRest(key('a'))).toBe(activation.actor);
    expect(active.offer(key('a'), '2')).toBe(activation);
    expect(active.atRest(key('a'))).toBeUndefined();
    await time.advance(5_000);
    expect([resting.size, active.hasReady]).toEqual([0, true]);
    active.collect(1, 1);
    active.ranDry([activation]);
    await time.advance(1_999);
    expect([resting.size, active.atRest(key('a'))]).toEqual([0, activation.actor]);
    await time.advance(1);
    expect([resting.size, resting.wake(key('a'))]).toEqual([1, activation.actor]);
  });

  it('let those that are dry rest at once when many are awake, and no one for whom there is more to do (I9)', async () => {
    const names = Array.from({ length: 600 }, (_, index) => `a${String(index)}`);
    const { active, resting, time } = activations(10);
    const busy = active.offer(key('busy'), '1');
    if (busy === null) throw new Error('the mailbox has room');
    busy.actor = { weight: 1, name: 'busy' };
    const awake: Activation<Actor, string>[] = [];
    for (const name of names) {
      const activation = active.offer(key(name), '1');
      if (activation === null) throw new Error('the mailbox has room');
      activation.actor = { weight: 1, name };
      active.makeReady(activation);
      active.collect(1, 1);
      awake.push(activation);
      active.ranDry([activation]);
      expect(awake.filter((each) => active.has(each)).length).toBeLessThanOrEqual(200);
    }
    // What rests is bounded itself.
    expect(resting.size).toBe(50);
    await time.advance(2_000);
    expect(awake.filter((each) => active.has(each))).toEqual([]);
    expect(active.has(busy)).toBe(true);
  });

  it('forget a dry one with the others when the actors are dropped, and let none rest twice', async () => {
    const { active, resting, time } = activations(10, ['a', 'b']);
    const [a, b] = ['a', 'b'].map((name) => active.offer(key(name), '1'));
    if (a === null || b === null || a === undefined || b === undefined) throw new Error('the mailbox has room');
    active.collect(2, 1);
    active.ranDry([a, b]);
    active.remove(a);
    expect([resting.size, active.has(a)]).toEqual([1, false]);
    active.dropActors();
    await time.advance(5_000);
    expect([resting.size, active.atRest(key('b'))]).toEqual([0, undefined]);
    expect(active.awaken()).toEqual([]);
    expect(active.isInMemory(key('b'))).toBe(false);
  });

  it('keep the mail when the actors are dropped, and load them again (P5)', () => {
    const { active, resting } = activations(10, ['a', 'resting']);
    const activation = active.offer(key('a'), '1');
    active.dropActors();
    expect([active.hasReady, active.queued, resting.size]).toEqual([false, 1, 0]);
    expect(active.awaken()).toEqual([activation]);
  });

  it('give all mail back when they are removed', () => {
    const { active, resting } = activations(10, ['a']);
    active.offer(key('a'), '1');
    active.offer(key('b'), '2');
    expect(active.removeAll()).toEqual(['1', '2']);
    expect([active.queued, active.hasReady, resting.size]).toEqual([0, false, 1]);
  });
});
