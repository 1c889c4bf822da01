import { generation, partitionId } from '@millrace/kernel';
import type { ActorWrite, Commit } from '@millrace/partition';
import { actorKey, appending, at, commitIdOf, nowhere } from '@millrace/partition/conformance';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ModelOperation } from './model-state.ts';
import { entryName, StoreAudit } from './store-audit.ts';

const room = actorKey('c:room');
const partition = partitionId(0);
let said: string[];
let audit: StoreAudit;
let done: ModelOperation[];

function execute(operation: ModelOperation): void {
  done.push(operation);
  audit.executed(operation);
}

beforeEach(() => {
  said = [];
  done = [];
  audit = new StoreAudit((what) => said.push(what));
});

function claim(uuid: string, aboveEpoch = 0): void {
  execute({ kind: 'claim', partition, uuid, aboveEpoch });
}

function commit(uuid: string, commitNo: number, writes: readonly ActorWrite[] = [], epoch = 1): Commit {
  const settle = { gen: generation(1), run: 'a/b', level: 'memory' as const };
  const content = { writes, feed: null, diffusedTo: null, feedFrom: null, deadLetters: [], settle, recovering: null };
  const made = { partition, token: { epoch, uuid }, commitNo, commitId: commitIdOf(commitNo), ...content };
  execute({ kind: 'commit', commit: made });
  return made;
}

describe('the audit of what a store took', () => {
  it('has nothing to say of one owner after the other, each going on where the last one stopped (I2)', () => {
    claim('a');
    commit('a', 1, [appending(room, nowhere, ['one'])]);
    claim('b');
    commit('b', 2, [appending(room, at(1, 1), ['two', 'three'])], 2);
    expect(said).toEqual([]);
  });

  it('tells of an owner that was followed, also under the same number, and of one that never claimed (I2)', () => {
    commit('a', 1);
    claim('a');
    commit('b', 2);
    expect(said).toEqual([
      '(I2) partition 0 took commit 1 from an owner of epoch 1, and nobody had claimed it',
      '(I2) partition 0 took commit 2 from an owner of epoch 1, the last claim being that of 1',
    ]);
  });

  it('tells of a number that does not follow, and of a Timeline that stands elsewhere (I2)', () => {
    claim('a');
    commit('a', 1, [appending(room, nowhere, ['one'])]);
    commit('a', 1);
    commit('a', 2, [appending(room, nowhere, ['again'])]);
    expect(said).toEqual([
      '(I2) partition 0 took commit 1 behind commit 1',
      '(I2) partition 0 took commit 2 with c:room at 0-0, which stood at 1-1',
    ]);
  });

  it('goes back with a store that lost its end: what comes next follows on what survived (I2)', () => {
    claim('a');
    commit('a', 1, [appending(room, nowhere, ['one'])]);
    claim('b');
    commit('b', 2, [appending(room, at(1, 1), ['two'])], 2);
    audit.lost(done.slice(-2));
    commit('a', 2, [appending(room, at(1, 1), ['other'])]);
    expect(said).toEqual([]);
  });

  it('knows which entries are stored and acknowledged to nobody yet, until a later commit is (I1)', () => {
    claim('a');
    commit('a', 1, [appending(room, nowhere, ['one'])]);
    const two = commit('a', 2, [appending(room, at(1, 1), ['two'])]);
    const three = commit('a', 3, [appending(room, at(1, 2), ['three'])]);
    const unacknowledged = (): boolean[] =>
      [1, 2, 3].map((seq) => audit.isUnacknowledged(entryName(room, { gen: 1, seq })));
    expect(unacknowledged()).toEqual([true, true, true]);
    audit.acknowledged(two);
    expect(unacknowledged()).toEqual([false, false, true]);
    audit.lost(done.slice(-1));
    audit.acknowledged(three);
    expect(unacknowledged()).toEqual([false, false, false]);
  });
});
