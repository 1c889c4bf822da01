import { describe, expect, it } from 'vitest';
import { aServingOwner } from './testing/an-owner.ts';
import { ScriptedStore } from './testing/scripted-store.ts';

/** A store that says when it has room. */
class BusyStore extends ScriptedStore {
  readonly turns: (() => void)[] = [];

  whenRoom(_partition: unknown, turn: () => void): void {
    this.turns.push(turn);
  }
}

describe('what is told of a stored batch', () => {
  it('says which effects are of which command, when each came in, and when the batch was decided and stored', async () => {
    const { store, time, post, batches, owner } = await aServingOwner();
    store.isHolding = true;
    post('a');
    await time.settle();
    post('a');
    await time.advance(5);
    post('b', 'count');
    post('b');
    await time.advance(7);
    store.letGo();
    await time.settle();
    await time.advance(2);
    store.letGo();
    await time.settle();
    const [first, second] = batches;
    expect(first).toMatchObject({ commitNo: 2, epoch: owner.epoch, decidedMs: 1_000, storedMs: 1_012, again: false });
    expect(second).toMatchObject({ commitNo: 3, decidedMs: 1_012, storedMs: 1_014, again: false });
    expect(second?.effects).toEqual(['c:a 2', 'c:b 1']);
    expect(second?.handled.map(({ mail, effectsTo }) => [mail.command, mail.queuedMs, effectsTo])).toEqual([
      ['add', 1_000, 1],
      ['count', 1_005, 1],
      ['add', 1_005, 2],
    ]);
  });

  it('says when its answer was lost, and another call found it stored (I5)', async () => {
    const { store, time, post, batches, owner } = await aServingOwner();
    const epoch = owner.epoch;
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'reset by peer' } });
    post('a');
    await time.advance(1_000);
    expect(batches).toMatchObject([{ commitNo: 2, again: true, effects: ['c:a 1'] }]);
    expect(batches[0]?.epoch).toBeGreaterThan(epoch);
  });

  it('is nothing for commands that stored nothing', async () => {
    const { time, post, batches } = await aServingOwner();
    post('a', 'count');
    await time.settle();
    expect(batches).toEqual([]);
  });

  it('holds what came until the store had room: it is asked for that once', async () => {
    const store = new BusyStore();
    const { time, post, batches } = await aServingOwner({}, store);
    store.turns.splice(0).forEach((turn) => {
      turn();
    });
    await time.settle();
    post('a');
    await time.settle();
    post('b');
    await time.advance(5);
    post('a');
    await time.settle();
    expect(batches).toEqual([]);
    expect(store.turns).toHaveLength(1);
    store.turns.shift()?.();
    await time.settle();
    expect(batches).toMatchObject([{ effects: ['c:a 1', 'c:a 2', 'c:b 1'] }]);
    expect(store.turns).toEqual([]);
  });
});
