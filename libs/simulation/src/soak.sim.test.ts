import { expect, it } from 'vitest';
import { soak } from './soak.ts';

it('one world goes on for long with faults all along, and holds what it must (I1..I7, I9)', async () => {
  let measured = 0;
  const heapBytes = (): number => (measured += 1);
  const report = await soak(1, { hours: 1 / 3, heapBytes, hour: () => undefined });
  expect(report.violations).toEqual([]);
  expect(report.grown).toEqual([]);
  expect([report.samples.length, measured]).toEqual([2, 2]);
  expect(report.faults).toBeGreaterThan(30);
  expect(report.acks).toBeGreaterThan(1_000);
  // What was checked was taken away, and something went on all the time.
  for (const sample of report.samples) {
    expect(sample['storeKeys']).toBeLessThan(60);
    // What is behind the cursor stays for a minute, for who loses what it was sent: of ten minutes a small part.
    expect(sample['feedEntries']).toBeLessThan(report.acks / report.samples.length / 2);
    expect(sample['commitsUndiffused']).toBeGreaterThan(0);
  }
}, 120_000);
