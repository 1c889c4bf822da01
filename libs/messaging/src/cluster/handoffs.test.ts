import { partitionId, type NodeId, type PartitionId } from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { Handoffs } from './handoffs.ts';

const nothing = (): void => undefined;
const settle = (): Promise<void> => new Promise(setImmediate);

/** A node `me` with the partitions that it has, and everything that it did. */
class AHost {
  readonly did: string[] = [];
  readonly has = new Set<PartitionId>();
  readonly settled: number[] = [];
  readonly later: { readonly callback: () => void; cancelled: boolean }[] = [];
  /** Ends the release that is under way. */
  finishRelease: (() => void)[] = [];
  holdsReleases = false;
  readonly handoffs = new Handoffs({
    name: 'me',
    self: 'me-1' as NodeId,
    timers: {
      soon: nothing,
      after: (_ms, callback) => {
        const timer = { callback, cancelled: false };
        this.later.push(timer);
        return () => {
          timer.cancelled = true;
        };
      },
    },
    log: { info: nothing, warn: nothing, error: nothing },
    releaseMsMax: 1_000,
    host: {
      has: (partition) => this.has.has(partition),
      partitions: this.has,
      expect: (partition) => {
        if (this.has.has(partition)) return;
        this.did.push(`expect ${String(partition)}`);
        this.has.add(partition);
      },
      claim: (partition) => {
        this.did.push(`claim ${String(partition)}`);
        this.has.add(partition);
        return Promise.resolve();
      },
      release: (partition) => {
        this.did.push(`release ${String(partition)}`);
        this.has.delete(partition);
        return this.holdsReleases ? new Promise((resolve) => this.finishRelease.push(resolve)) : Promise.resolve();
      },
    },
    released: (partition, to) => this.did.push(`tell ${to} ${String(partition)}`),
    settled: (version) => this.settled.push(version),
  });

  follow(version: number, owners: readonly (string | null)[], names = ['me', 'you']): Promise<void> {
    const view: ClusterView = {
      version,
      members: names.map((name) => ({
        name,
        node: `${name}-1` as NodeId,
        roles: ['actors'],
        isDraining: false,
        url: '',
        socketUrl: '',
      })),
      owners,
      since: owners.map(() => version),
      before: owners.map(() => 0),
    };
    this.handoffs.follow(view);
    return settle();
  }

  taken(): readonly string[] {
    return this.did.splice(0);
  }

  expire(): Promise<void> {
    for (const timer of this.later.splice(0)) if (!timer.cancelled) timer.callback();
    return settle();
  }
}

describe('views are carried out:', () => {
  it('what nobody living had is claimed at once, and the view is settled when it is served', async () => {
    const host = new AHost();
    await host.follow(1, ['me', 'me', 'you']);
    expect(host.taken()).toEqual(['expect 0', 'expect 1', 'claim 0', 'claim 1']);
    expect(host.settled).toEqual([1]);
  });

  it('what is taken away is handed back, and the next owner is told (V1)', async () => {
    const host = new AHost();
    await host.follow(1, ['me', 'me']);
    host.taken();
    host.holdsReleases = true;
    await host.follow(2, ['me', 'you']);
    expect(host.taken()).toEqual(['release 1']);
    expect(host.settled).toEqual([1]);
    host.finishRelease.shift()?.();
    await settle();
    expect(host.taken()).toEqual(['tell you-1 1']);
    expect(host.settled).toEqual([1, 2]);
  });

  it('what a living node has is claimed when that one has handed it back (V1)', async () => {
    const host = new AHost();
    await host.follow(1, ['you', 'you']);
    await host.follow(2, ['me', 'you']);
    expect(host.taken()).toEqual(['expect 0']);
    expect(host.handoffs.moving).toBe(1);
    host.handoffs.released(partitionId(0));
    await settle();
    expect(host.taken()).toEqual(['claim 0']);
    expect(host.settled).toEqual([1, 2]);
  });

  it('word that a partition is free may come before the view that says whose it is', async () => {
    const host = new AHost();
    await host.follow(1, ['you']);
    host.handoffs.released(partitionId(0));
    await host.follow(2, ['me']);
    expect(host.taken()).toEqual(['expect 0', 'claim 0']);
  });

  it('a living node that does not hand it back has its time, and one that dies meanwhile has none (V1)', async () => {
    const slow = new AHost();
    await slow.follow(1, ['you']);
    await slow.follow(2, ['me']);
    slow.taken();
    await slow.expire();
    expect(slow.taken()).toEqual(['claim 0']);

    const dead = new AHost();
    await dead.follow(1, ['you']);
    await dead.follow(2, ['me']);
    dead.taken();
    await dead.follow(3, ['me'], ['me']);
    expect(dead.taken()).toEqual(['claim 0']);
    await dead.expire();
    expect(dead.taken()).toEqual([]);
  });

  it('what is given back before it was had is let go of, and not claimed', async () => {
    const host = new AHost();
    await host.follow(1, ['you']);
    await host.follow(2, ['me']);
    await host.follow(3, ['you']);
    await host.expire();
    expect(host.taken()).toEqual(['expect 0', 'release 0']);
    expect(host.settled).toEqual([1, 3]);
  });

  it('a partition that comes back is claimed only when the last of the earlier tenure is over', async () => {
    const host = new AHost();
    await host.follow(1, ['me']);
    host.holdsReleases = true;
    await host.follow(2, ['you']);
    host.taken();
    await host.follow(3, ['me'], ['me']);
    expect(host.taken()).toEqual([]);
    host.finishRelease.shift()?.();
    await settle();
    expect(host.taken()).toContain('claim 0');
  });

  it('a partition that another one claimed is claimed back after a while, if the view still says so', async () => {
    const host = new AHost();
    await host.follow(1, ['me', 'me']);
    host.taken();
    for (const lost of [0, 1].map(partitionId)) {
      host.has.delete(lost);
      host.handoffs.lost(lost);
    }
    await host.follow(2, ['me', 'you']);
    host.taken();
    await host.expire();
    expect(host.taken()).toEqual([]);
    expect([...host.has]).toEqual([0]);
  });
});
