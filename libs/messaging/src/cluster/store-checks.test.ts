import { err, ok, partitionId, type PartitionId } from '@millrace/kernel';
import type { AnsweredAt } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { HandTimers } from '../testing/hand-timers.ts';
import { StoreChecks, type CheckedOwner } from './store-checks.ts';

class AnOwner implements CheckedOwner {
  readonly partition = partitionId(3);
  isServing = true;
  token = '2:mine';
  commitNo = 40;
  readonly done: string[] = [];

  reclaim(): void {
    this.done.push('reclaimed');
  }

  superseded(heldEpoch: number): void {
    this.done.push(`left to epoch ${String(heldEpoch)}`);
  }
}

class ANode {
  readonly owner = new AnOwner();
  owners: readonly CheckedOwner[] = [this.owner];
  /** Null for a store that cannot be asked. */
  stored: AnsweredAt | null = { token: '2:mine', commitNo: 40 };
  readonly asked: PartitionId[] = [];
  meanwhile: () => void = () => undefined;
  readonly #timers = new HandTimers();
  readonly checks = new StoreChecks({
    timers: this.#timers,
    owners: () => this.owners,
    stands: (partition) => {
      this.asked.push(partition);
      this.meanwhile();
      const { stored } = this;
      return Promise.resolve(stored === null ? err({ code: 'unavailable' as const, message: 'away' }) : ok(stored));
    },
  });

  /** So many looks, one after the other. @returns how many there were. */
  async looks(count: number): Promise<number> {
    let done = 0;
    for (; done < count && this.#timers.waiting > 0; done += 1) {
      this.#timers.elapse();
      await Promise.resolve();
      await Promise.resolve();
    }
    return done;
  }
}

/** What an owner that rests does about a store that stands there. */
async function about(
  stored: AnsweredAt | null,
  before: (node: ANode) => void = () => undefined,
): Promise<readonly string[]> {
  const node = new ANode();
  node.stored = stored;
  before(node);
  node.checks.begin();
  await node.looks(2);
  return node.owner.done;
}

describe('a partition in which nothing is committed', () => {
  it('is left as it is while the store has what was acknowledged', async () => {
    expect(await about({ token: '2:mine', commitNo: 40 })).toEqual([]);
    // One whose answer is on its way.
    expect(await about({ token: '2:mine', commitNo: 41 })).toEqual([]);
    expect(await about(null)).toEqual([]);
  });

  it('is claimed again when the store has lost its end, or the claim (I5)', async () => {
    expect(await about({ token: '2:mine', commitNo: 39 })).toEqual(['reclaimed']);
    expect(await about({ token: '1:former', commitNo: 40 })).toEqual(['reclaimed']);
    expect(await about({ token: '', commitNo: 0 })).toEqual(['reclaimed']);
    // The number that was rolled back may have been given to another one since.
    expect(await about({ token: '2:another', commitNo: 40 })).toEqual(['reclaimed']);
  });

  it('is let go of when another owner has claimed it (P5)', async () => {
    expect(await about({ token: '3:next', commitNo: 44 })).toEqual(['left to epoch 3']);
    expect(await about({ token: '3:next', commitNo: 31 })).toEqual(['left to epoch 3']);
  });

  it('is left alone when something came meanwhile, which has found that out itself', async () => {
    const lost = { token: '2:mine', commitNo: 39 };
    const meanwhile = (change: (owner: AnOwner) => void) => (node: ANode) => {
      node.meanwhile = () => {
        change(node.owner);
      };
    };
    expect(
      await about(
        lost,
        meanwhile((owner) => (owner.commitNo += 1)),
      ),
    ).toEqual([]);
    expect(
      await about(
        lost,
        meanwhile((owner) => (owner.token = '3:mine')),
      ),
    ).toEqual([]);
    expect(
      await about(
        lost,
        meanwhile((owner) => (owner.isServing = false)),
      ),
    ).toEqual([]);
  });
});

describe('stores', () => {
  it('are asked about what rests, and not about what has committed since the last look', async () => {
    const node = new ANode();
    node.checks.begin();
    node.checks.begin();
    await node.looks(1);
    expect(node.asked).toEqual([]);
    node.owner.commitNo += 1;
    await node.looks(1);
    expect(node.asked).toEqual([]);
    await node.looks(2);
    expect(node.asked).toEqual([3, 3]);
    node.owner.isServing = false;
    await node.looks(1);
    expect(node.asked).toHaveLength(2);
  });

  it('are asked for as long as the node has partitions', async () => {
    const node = new ANode();
    node.checks.begin();
    expect(await node.looks(3)).toBe(3);
    node.owners = [];
    expect(await node.looks(3)).toBe(1);
    node.owners = [node.owner];
    node.checks.begin();
    expect(await node.looks(3)).toBe(3);
  });
});
