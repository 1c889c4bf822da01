import { expect, it } from 'vitest';
import { simulate } from './simulate.ts';

it('tries', async () => {
  const from = Number(process.env['SEED'] ?? 1);
  const seeds = Number(process.env['SEEDS'] ?? 5);
  let bad = 0;
  const t = performance.now();
  for (let seed = from; seed < from + seeds; seed += 1) {
    const report = await simulate(seed);
    if (report.violations.length > 0) bad += 1;
    if (report.violations.length > 0 || seeds < 8)
      console.log(seed, JSON.stringify(report.counts), report.violations.slice(0, 4));
  }
  console.log('bad', bad, 'of', seeds, performance.now() - t);
  expect(bad).toBe(0);
}, 25_000);
