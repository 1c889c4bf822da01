import type { NodeId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { KnownViews, LeadAnswer } from '../placement/cluster-store.ts';
import type { ClusterView, Member } from '../placement/cluster-view.ts';
import type { StoresUnderTest } from './stores-under-test.ts';

const LONG_MS = 600_000;
const SHORT_MS = 60;
const nothing: KnownViews = { version: 0, digest: '-', settled: 0 };

/** `a1` is the first run of member `a`. */
const memberOf = (run: string, more: Partial<Member> = {}): Member => ({
  name: run.slice(0, -1),
  node: run as NodeId,
  roles: ['gateway', 'actors'],
  isDraining: false,
  url: `http://${run}.example:7400`,
  socketUrl: `ws://${run}.example:7401`,
  ...more,
});
const viewOf = (version: number, owners: readonly (string | null)[] = ['a', null, 'b']): ClusterView => ({
  version,
  members: [memberOf('a1')],
  owners,
  since: owners.map((_, partition) => version - (partition % 2)),
  before: owners.map(() => 0),
});

export function clusterSuite(stores: () => StoresUnderTest): void {
  const register = (run: string, leaseMs = LONG_MS, known = nothing, more: Partial<Member> = {}) =>
    stores().cluster.register(memberOf(run, more), leaseMs, known);
  const lead = (run: string, leaseMs = LONG_MS): Promise<LeadAnswer> =>
    stores().cluster.lead(run.slice(0, -1), run as NodeId, leaseMs);
  const leave = (run: string): Promise<void> => stores().cluster.leave(run.slice(0, -1), run as NodeId);
  const put = async (run: string, term: number, view: ClusterView): Promise<string> =>
    (await stores().cluster.putView(term, run as NodeId, view)).code;
  const termOf = async (run: string): Promise<number> => {
    const answer = await lead(run);
    expect(answer.code).toBe('leading');
    return answer.code === 'leading' ? answer.term : 0;
  };
  /** Who lives, as the leader is told; by name. */
  const livingFor = async (run: string) => {
    const answer = await lead(run);
    const living = answer.code === 'leading' ? [...answer.living] : [];
    return living.sort((left, right) => (left.member.name < right.member.name ? -1 : 1));
  };
  const runsFor = async (run: string): Promise<readonly string[]> =>
    (await livingFor(run)).map(({ member }) => member.node);

  describe('a registration', () => {
    it('is taken when it is free, and renewed by its run', async () => {
      const first = await register('a1');
      const again = await register('a1');
      expect(first).toMatchObject({ code: 'held', view: null });
      expect(again).toMatchObject({ code: 'held', view: null });
      if (first.code !== 'held' || again.code !== 'held') return;
      expect(again.untilMonotonicMs).toBeGreaterThanOrEqual(first.untilMonotonicMs);
    });

    it('tells the leader what the member last said of itself, and how far it is', async () => {
      await register('a1', LONG_MS, { version: 7, digest: 'd7', settled: 6 });
      await register('b1', LONG_MS / 2, nothing, { roles: ['jobs'], url: '' });
      await register(
        'b1',
        LONG_MS / 2,
        { version: 3, digest: 'd3', settled: 3 },
        { roles: [], isDraining: true, url: '' },
      );
      const [first, second] = await livingFor('a1');
      expect(first).toMatchObject({ member: memberOf('a1'), knownVersion: 7, knownDigest: 'd7', settledVersion: 6 });
      expect(second).toMatchObject({
        member: memberOf('b1', { roles: [], isDraining: true, url: '' }),
        knownVersion: 3,
        knownDigest: 'd3',
        settledVersion: 3,
      });
      expect(second?.remainingMs).toBeGreaterThan(0);
      expect(second?.remainingMs).toBeLessThanOrEqual(LONG_MS / 2);
    });

    it('of an earlier run is replaced at once, and never taken back by it', async () => {
      await register('a1');
      expect(await register('a2')).toMatchObject({ code: 'held' });
      expect(await register('a1')).toEqual({ code: 'replaced', by: 'a2' });
      expect(await register('a2')).toMatchObject({ code: 'held' });
      expect(await runsFor('a2')).toEqual(['a2']);
    });

    it('that was replaced is not taken back when the newer run has left, or was replaced itself', async () => {
      await register('a1');
      await register('a2');
      await leave('a2');
      expect(await register('a1')).toEqual({ code: 'replaced', by: 'a2' });
      await register('a3');
      expect(await register('a1')).toEqual({ code: 'replaced', by: 'a2' });
      expect(await register('a2')).toEqual({ code: 'replaced', by: 'a3' });
    });

    it('that ran out is taken again by its run, if no other one came (I10)', async () => {
      await register('a1', SHORT_MS);
      await register('b1');
      await stores().passTime(SHORT_MS + 5);
      expect(await runsFor('b1')).toEqual(['b1']);
      expect(await register('a1')).toMatchObject({ code: 'held' });
      expect(await runsFor('b1')).toEqual(['a1', 'b1']);
    });

    it('that ran out is not taken again once another run had it, though the leader had removed it', async () => {
      await register('a1', SHORT_MS);
      await register('b1');
      await stores().passTime(SHORT_MS + 5);
      expect(await runsFor('b1')).toEqual(['b1']);
      await register('a2');
      expect(await register('a1')).toEqual({ code: 'replaced', by: 'a2' });
    });

    it('that was given back is not taken again once another run had it', async () => {
      await register('a1');
      await leave('a1');
      await register('a2');
      expect(await register('a1')).toEqual({ code: 'replaced', by: 'a2' });
    });

    it('ends at once when it is given back, and by nobody but its run', async () => {
      await register('a1');
      await register('b1');
      await register('a2');
      await leave('a1');
      await stores().cluster.leave('b', 'a2' as NodeId);
      expect(await runsFor('b1')).toEqual(['a2', 'b1']);
      await leave('a2');
      expect(await runsFor('b1')).toEqual(['b1']);
    });

    it('of one member does not concern another one', async () => {
      await register('a1');
      expect(await register('b1')).toMatchObject({ code: 'held' });
      expect(await register('a1')).toMatchObject({ code: 'held' });
    });
  });

  describe('the leadership', () => {
    it('is taken when it is free, and renewed in the same term', async () => {
      await register('a1');
      const first = await lead('a1');
      const again = await lead('a1');
      expect(first).toMatchObject({ code: 'leading', view: null });
      if (first.code !== 'leading' || again.code !== 'leading') throw new Error('both lead');
      expect(again.term).toBe(first.term);
      expect(again.untilMonotonicMs).toBeGreaterThanOrEqual(first.untilMonotonicMs);
    });

    it('of another member is followed, for as long as lease and registration both hold', async () => {
      await register('a1', LONG_MS / 10);
      await register('b1');
      await lead('a1');
      const following = await lead('b1');
      expect(following).toMatchObject({ code: 'following', leader: 'a' });
      if (following.code !== 'following') return;
      expect(following.remainingMs).toBeGreaterThan(0);
      expect(following.remainingMs).toBeLessThanOrEqual(LONG_MS / 10);
    });

    it('that ran out is another one\u2019s, in a new term (I10)', async () => {
      await register('a1');
      await register('b1');
      const first = await lead('a1', SHORT_MS);
      await stores().passTime(SHORT_MS + 5);
      const second = await termOf('b1');
      if (first.code === 'leading') expect(second).toBeGreaterThan(first.term);
      expect(await lead('a1')).toMatchObject({ code: 'following', leader: 'b' });
    });

    it('that ran out, and that nobody took, goes on in its term', async () => {
      await register('a1');
      const first = await lead('a1', SHORT_MS);
      await stores().passTime(SHORT_MS + 5);
      expect(await lead('a1')).toMatchObject({
        code: 'leading',
        ...(first.code === 'leading' && { term: first.term }),
      });
    });

    it('ends with the registration: when that is given back, or ran out', async () => {
      await register('a1');
      await register('b1');
      const first = await termOf('a1');
      await leave('a1');
      const second = await termOf('b1');
      expect(second).toBeGreaterThan(first);
      await register('b1', SHORT_MS);
      await register('c1');
      await stores().passTime(SHORT_MS + 5);
      expect(await termOf('c1')).toBeGreaterThan(second);
    });

    it('of an earlier run is replaced at once, in a new term, and never taken back by it', async () => {
      await register('a1');
      const first = await termOf('a1');
      await register('a2');
      const second = await termOf('a2');
      expect(second).toBeGreaterThan(first);
      expect(await lead('a1')).toEqual({ code: 'unregistered' });
      expect(await termOf('a2')).toBe(second);
    });

    it('is refused to a run that is not registered, or no longer', async () => {
      expect(await lead('a1')).toEqual({ code: 'unregistered' });
      await register('a1', SHORT_MS);
      expect(await lead('a2')).toEqual({ code: 'unregistered' });
      await stores().passTime(SHORT_MS + 5);
      expect(await lead('a1')).toEqual({ code: 'unregistered' });
    });
  });

  describe('the view', () => {
    it('is stored by the leader, told to the leader, and to members that do not know it', async () => {
      await register('a1');
      await register('b1');
      expect(await put('a1', await termOf('a1'), viewOf(4))).toBe('put');
      expect(await lead('a1')).toMatchObject({ view: viewOf(4) });
      expect(await register('b1', LONG_MS, { version: 3, digest: 'd3', settled: 3 })).toMatchObject({
        view: viewOf(4),
      });
      expect(await register('b1', LONG_MS, { version: 4, digest: 'd4', settled: 3 })).toMatchObject({ view: null });
      expect(await register('b1', LONG_MS, { version: 5, digest: 'd5', settled: 5 })).toMatchObject({ view: null });
    });

    it('is replaced only by one with a higher version', async () => {
      await register('a1');
      const term = await termOf('a1');
      expect(await put('a1', term, viewOf(4))).toBe('put');
      expect(await put('a1', term, viewOf(4, ['b', 'b', 'b']))).toBe('outdated');
      expect(await put('a1', term, viewOf(3))).toBe('outdated');
      expect(await lead('a1')).toMatchObject({ view: viewOf(4) });
      expect(await put('a1', term, viewOf(10, []))).toBe('put');
      expect(await lead('a1')).toMatchObject({ view: viewOf(10, []) });
    });

    it('of a leader whose term is over is outdated, and changes nothing', async () => {
      await register('a1');
      await register('b1');
      const first = await lead('a1', SHORT_MS);
      await stores().passTime(SHORT_MS + 5);
      const second = await termOf('b1');
      if (first.code === 'leading') expect(await put('a1', first.term, viewOf(9))).toBe('outdated');
      expect(await lead('b1')).toMatchObject({ view: null });
      expect(await put('b1', second, viewOf(1))).toBe('put');
    });

    it('of a run that guesses the term is outdated', async () => {
      await register('a1');
      await register('b1');
      const term = await termOf('a1');
      expect(await put('b1', term, viewOf(1))).toBe('outdated');
      expect(await put('a1', term + 1, viewOf(1))).toBe('outdated');
      expect(await put('a1', term - 1, viewOf(1))).toBe('outdated');
    });

    it('of many partitions and members comes back as it was', async () => {
      await register('a1');
      const owners = Array.from({ length: 4_096 }, (_, at) => (at % 7 === 0 ? null : `node-${String(at % 100)}`));
      const members = Array.from({ length: 100 }, (_, at) => memberOf(`node-${String(at)}1`));
      const view = { ...viewOf(9_000_000_000, owners), members };
      expect(await put('a1', await termOf('a1'), view)).toBe('put');
      expect(await lead('a1')).toMatchObject({ view });
    });
  });
}
