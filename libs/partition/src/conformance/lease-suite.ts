import type { NodeId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { StoresUnderTest } from './stores-under-test.ts';

const [run1, run2, rival] = ['a-run-1', 'a-run-2', 'b-run-1'] as [NodeId, NodeId, NodeId];
const LONG_MS = 600_000;

export function leaseSuite(stores: () => StoresUnderTest): void {
  describe('a lease', () => {
    it('is taken when it is free, and renewed by its holder', async () => {
      const { leases } = stores();
      const first = await leases.acquire('node:a', run1, 'a', LONG_MS);
      const again = await leases.acquire('node:a', run1, 'a', LONG_MS);
      expect([first.code, again.code]).toEqual(['held', 'held']);
      if (first.code !== 'held' || again.code !== 'held') return;
      expect(again.untilMonotonicMs).toBeGreaterThanOrEqual(first.untilMonotonicMs);
    });

    it('that another node holds is refused, and tells who has it for how long', async () => {
      const { leases } = stores();
      await leases.acquire('coordinator', run1, 'a', LONG_MS);
      const refused = await leases.acquire('coordinator', rival, 'b', LONG_MS);
      expect(refused).toMatchObject({ code: 'taken', heldBy: run1 });
      if (refused.code !== 'taken') return;
      expect(refused.remainingMs).toBeGreaterThan(0);
      expect(refused.remainingMs).toBeLessThanOrEqual(LONG_MS);
    });

    it('of an earlier run of the same node is replaced at once, and keeps others out', async () => {
      const { leases } = stores();
      await leases.acquire('node:a', run1, 'a', LONG_MS);
      expect((await leases.acquire('node:a', run2, 'a', LONG_MS)).code).toBe('held');
      expect(await leases.acquire('node:a', rival, 'b', LONG_MS)).toMatchObject({ code: 'taken', heldBy: run2 });
    });

    it('that ran out is taken by another node (I10)', async () => {
      const { leases } = stores();
      expect((await leases.acquire('node:a', run1, 'a', 40)).code).toBe('held');
      await stores().passTime(45);
      expect((await leases.acquire('node:a', rival, 'b', LONG_MS)).code).toBe('held');
      expect(await leases.acquire('node:a', run1, 'a', LONG_MS)).toMatchObject({ code: 'taken', heldBy: rival });
    });

    it('is free as soon as its holder gives it back', async () => {
      const { leases } = stores();
      await leases.acquire('node:a', run1, 'a', LONG_MS);
      await leases.release('node:a', run1);
      expect((await leases.acquire('node:a', rival, 'b', LONG_MS)).code).toBe('held');
    });

    it('is not given back by anyone but its holder', async () => {
      const { leases } = stores();
      await leases.acquire('node:a', run1, 'a', LONG_MS);
      await leases.release('node:a', rival);
      await leases.release('node:b', run1);
      expect(await leases.acquire('node:a', rival, 'b', LONG_MS)).toMatchObject({ code: 'taken', heldBy: run1 });
    });

    it('of one name does not concern another one', async () => {
      const { leases } = stores();
      await leases.acquire('node:a', run1, 'a', LONG_MS);
      expect((await leases.acquire('node:b', rival, 'b', LONG_MS)).code).toBe('held');
    });
  });
}
