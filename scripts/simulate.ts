import { parseArgs } from 'node:util';
import { simulate } from '@millrace/simulation';

/** Runs seeds of the simulation: `--seeds N` of them from `--from`, or one by `--seed S`, told in full; `--nodes N` in each. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    'double-faults': { type: 'boolean', default: false },
    nodes: { type: 'string' },
  },
});

const whole = (name: string, text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} must be a whole number, got ${JSON.stringify(text)}`);
  process.exit(2);
};

const options = {
  ...(values['double-faults'] ? { doubleFaults: true } : {}),
  ...(values.nodes === undefined ? {} : { nodes: whole('nodes', values.nodes) }),
};
const single = values.seed === undefined ? null : whole('seed', values.seed);
const from = single ?? whole('from', values.from);
const count = single === null ? whole('seeds', values.seeds) : 1;
const startedMs = performance.now();
const bad: number[] = [];

for (let seed = from; seed < from + count; seed += 1) {
  const { violations, counts } = await simulate(seed, options);
  if (single !== null) console.log(JSON.stringify(counts, null, 2));
  if (violations.length > 0) {
    bad.push(seed);
    console.log(`seed ${String(seed)}:\n  ${violations.join('\n  ')}`);
  }
  const done = seed - from + 1;
  if (single === null && done % 50 === 0) {
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    console.log(`  ${String(done)} of ${String(count)} seeds, ${String(bad.length)} failed, ${seconds} s`);
  }
}
console.log(`${String(count - bad.length)} passed, ${String(bad.length)} failed, 0 skipped`);
process.exitCode = bad.length === 0 ? 0 : 1;
