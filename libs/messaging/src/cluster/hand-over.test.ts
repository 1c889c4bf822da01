import { partitionId, type NodeId, type PartitionId } from '@millrace/kernel';
import { emptyView, type ClusterView, type Member } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { handOver } from './hand-over.ts';

const memberOf = (name: string, isDraining = false): Member => {
  return { name, node: `${name}.1` as NodeId, roles: ['actors'], isDraining, url: '', socketUrl: '' };
};

const viewOf = (...members: readonly Member[]): ClusterView => ({ ...emptyView(2), version: 1, members });

/** A node that stops: what happens to it one after the other, each when it looks once more whether it is done. */
async function stopped(
  view: ClusterView,
  begin: { readonly partitions?: readonly PartitionId[]; readonly moving?: number },
  ...events: ((node: { view: ClusterView; partitions: Set<PartitionId>; moving: number; taken: number }) => void)[]
): Promise<readonly string[]> {
  const told: string[] = [];
  const node = { view, partitions: new Set(begin.partitions ?? []), moving: begin.moving ?? 0, taken: 0 };
  let asked = 0;
  await handOver({
    self: 'b.1' as NodeId,
    membership: {
      isHeld: true,
      drain: () => told.push('drains'),
      tellNow: () => {
        asked += 1;
        const number = asked;
        return () => node.taken >= number;
      },
    },
    host: node,
    handoffs: node,
    view: () => node.view,
    until: (isDone, msMax) => {
      let looks = 0;
      while (!isDone() && looks < 10) {
        looks += 1;
        events.shift()?.(node);
      }
      if (looks === 10) told.push(`waits for ${String(msMax)} ms`);
      return Promise.resolve();
    },
    handoffMsMax: 7_000,
  });
  return [...told, `goes with ${[...node.partitions].join()}, ${String(asked)} times told`];
}

const taken = (node: { taken: number }): void => {
  node.taken += 1;
};

describe('a node that stops', () => {
  it('and is alone needs nobody to hear of it, and takes what it was just given', async () => {
    const arrives = (node: { moving: number; partitions: Set<PartitionId> }): void => {
      node.moving = 0;
      node.partitions.add(partitionId(0));
    };
    expect(await stopped(viewOf(memberOf('b')), { moving: 1 }, arrives)).toEqual(['goes with 0, 0 times told']);
  });

  it('hands over to others, and does not go before the store has heard of it twice (E1)', async () => {
    const handedOver = (node: { partitions: Set<PartitionId> }): void => {
      node.partitions.clear();
    };
    const view = viewOf(memberOf('a'), memberOf('b'));
    const told = await stopped(view, { partitions: [partitionId(0)] }, taken, handedOver, taken);
    expect(told).toEqual(['drains', 'goes with , 2 times told']);
  });

  it('with nothing of its own takes what a view gives it that it hears of only then (E1)', async () => {
    const view = viewOf(memberOf('a'), memberOf('b'));
    const heard = (node: { view: ClusterView; taken: number; moving: number }): void => {
      node.taken += 1;
      node.moving = 1;
      node.view = viewOf(memberOf('a', true), memberOf('b', true));
    };
    const arrives = (node: { moving: number; partitions: Set<PartitionId> }): void => {
      node.moving = 0;
      node.partitions.add(partitionId(1));
    };
    const told = await stopped(view, {}, taken, heard, arrives);
    expect(told).toEqual(['drains', 'goes with 1, 2 times told']);
  });

  it('beside one that stops, too, says so nevertheless: it could be given what that one has', async () => {
    const view = viewOf(memberOf('a', true), memberOf('b'));
    const told = await stopped(view, { partitions: [partitionId(0)] }, taken, taken);
    expect(told).toEqual(['drains', 'goes with 0, 2 times told']);
  });

  it('does not wait for ever for a store that is away', async () => {
    const view = viewOf(memberOf('a'), memberOf('b'));
    const told = await stopped(view, {});
    expect(told).toEqual(['drains', 'waits for 1000 ms', 'waits for 1000 ms', 'goes with , 2 times told']);
  });
});
