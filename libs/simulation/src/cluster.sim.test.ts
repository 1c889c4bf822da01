import { describe, expect, it } from 'vitest';
import { ClusterWorld } from './testing/cluster-world.ts';

const SEEDS = 300;
const STEPS = 60;
/** After everything is healed: a lease that runs out, and rounds. */
const CONVERGE_MS = 12_000;

async function runOf(seed: number): Promise<ClusterWorld> {
  const world = new ClusterWorld(seed);
  for (let step = 0; step < STEPS; step += 1) {
    world.act();
    await world.time.run(() => false, world.time.nowMs + world.between(1, 1_500));
  }
  world.heal();
  const converged = await world.time.run(() => world.isConverged, world.time.nowMs + CONVERGE_MS);
  if (!converged) world.violations.push(`not converged: ${world.description}`);
  return world;
}

describe('the nodes of one cluster, over a store and a network that fail', () => {
  it(`follow one history of views, and share everything evenly once they are left alone, ${String(SEEDS)} seeds`, async () => {
    const bad: string[] = [];
    const totals: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violations, counts } = await runOf(seed);
      if (violations.length > 0) bad.push(`seed ${String(seed)}: ${violations.join('; ')}`);
      for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
    }
    expect(bad.join('\n')).toBe('');
    // Everything that was to go wrong did.
    expect(Object.entries(totals).filter(([, count]) => count < SEEDS / 10)).toEqual([]);
  }, 120_000);
});
