import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { shrink, simulate, soak, type SimulationOptions, type SimulationReport } from '@millrace/simulation';
import { optionsOf, refuse, whole } from './options.ts';

const HELP = `npm run simulate -- [options]

  --seeds N        so many worlds, one after the other. Default: 1000
  --from S         the seed of the first one. Default: 1
  --seed S         this one alone, told in full
  --shrink         with --seed: looks for less that goes wrong alike, and tells the --options that show it
  --hours N        one world for so long, in simulated time, and what went on growing in it
  --nodes N        nodes in each world. Default: as the seed chooses
  --double-faults  faults strike while a loss of the store is still being made good
  --options JSON   what the world is like, as --shrink tells it`;

const values = optionsOf(HELP, {
  seed: { type: 'string' },
  seeds: { type: 'string', default: '1000' },
  from: { type: 'string', default: '1' },
  'double-faults': { type: 'boolean', default: false },
  nodes: { type: 'string' },
  options: { type: 'string', default: '{}' },
  shrink: { type: 'boolean', default: false },
  hours: { type: 'string' },
});

function optionsFrom(text: string): SimulationOptions {
  try {
    return JSON.parse(text) as SimulationOptions;
  } catch {
    return refuse(`--options must be JSON, as --shrink prints it, got ${JSON.stringify(text)}`);
  }
}

function tell({ seed, options, counts, faults, violations }: SimulationReport): void {
  console.log(JSON.stringify({ options, counts }, null, 2));
  for (const { index, atMs, what } of faults) console.log(`  fault ${String(index)} at ${String(atMs)} ms: ${what}`);
  if (violations.length > 0) console.log(`seed ${String(seed)}:\n  ${violations.join('\n  ')}`);
}

async function runOne(seed: number, options: SimulationOptions): Promise<number> {
  if (values.shrink) {
    const shrunk = await shrink(seed, options, simulate);
    if (shrunk !== null) {
      tell(shrunk.report);
      console.log(`after ${String(shrunk.runs)} runs, the least that goes wrong alike:`);
      console.log(`  npm run simulate -- --seed ${String(seed)} --options '${JSON.stringify(shrunk.options)}'`);
    }
    return shrunk === null ? 0 : 1;
  }
  const report = await simulate(seed, options);
  tell(report);
  return report.violations.length === 0 ? 0 : 1;
}

async function runMany(from: number, count: number, options: SimulationOptions): Promise<number> {
  const startedMs = performance.now();
  let failed = 0;
  for (let done = 1; done <= count; done += 1) {
    const { seed, violations } = await simulate(from + done - 1, options);
    if (violations.length > 0) {
      failed += 1;
      console.log(`seed ${String(seed)}:\n  ${violations.join('\n  ')}`);
    }
    if (done % 50 > 0) continue;
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    console.log(`  ${String(done)} of ${String(count)} seeds, ${String(failed)} failed, ${seconds} s`);
  }
  return failed;
}

/** Bytes of the heap that are in use after a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

async function runHours(hours: number, nodes: number | undefined): Promise<number> {
  const startedMs = performance.now();
  const { violations, grown } = await soak(values.seed === undefined ? 1 : whole('seed', values.seed), {
    hours,
    ...(nodes === undefined ? {} : { nodes }),
    heapBytes,
    hour: ({ hour, sample, faults, acks }) => {
      const { heapBytes: heap = 0, ...others } = sample;
      const rest = Object.entries(others).map(([name, value]) => `${name} ${String(value)}`);
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
      const line = [`${String(faults)} faults`, `${String(acks)} acks`, `heap ${(heap / 1e6).toFixed(1)} MB`, ...rest];
      console.log(`hour ${String(hour)} (${seconds} s): ${line.join(', ')}`);
    },
  });
  for (const violation of violations) console.log(`  ${violation}`);
  for (const { name, before, last } of grown) {
    console.log(`  ${name} goes on growing: ${before.toFixed(0)} in the thirds before, ${last.toFixed(0)} in the last`);
  }
  if (violations.length + grown.length === 0) {
    console.log('a plateau: nothing is in the last third above the two before by more than a tenth and a slack');
  }
  return violations.length + grown.length === 0 ? 0 : 1;
}

const options: SimulationOptions = {
  ...optionsFrom(values.options),
  ...(values['double-faults'] ? { doubleFaults: true } : {}),
  ...(values.nodes === undefined ? {} : { nodes: whole('nodes', values.nodes) }),
};
if (values.shrink && values.seed === undefined) refuse('--shrink needs the --seed that goes wrong');
const count = values.seed === undefined && values.hours === undefined ? whole('seeds', values.seeds) : 1;
const failed =
  values.hours !== undefined
    ? await runHours(whole('hours', values.hours), options.nodes)
    : values.seed === undefined
      ? await runMany(whole('from', values.from), count, options)
      : await runOne(whole('seed', values.seed), options);
console.log(`${String(count - failed)} passed, ${String(failed)} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;
