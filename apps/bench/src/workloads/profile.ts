import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stepMicros, type CpuProfile, type ProfileWindow } from '../measure/cpu-profile.ts';
import { medianOf } from '../measure/median.ts';
import { stepsOfBundle } from '../measure/message-steps.ts';
import type { BenchOptions } from '../options.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { profileLines, type ProfileFigures } from '../report/profile.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { runOnMillrace } from './millrace-run.ts';
import { directShape, groupShapes, PAYLOAD_BYTES, type Shape } from './shape.ts';

/** Between two looks of the profiler, microseconds. */
const LOOK_MICROS = 500;

/** What is looked into: what its floors and peers are compared in. */
const shapesOf = (scale: number): readonly Shape[] =>
  [directShape(scale), ...groupShapes(scale)].map((shape) => ({
    ...shape,
    parts: shape.parts.filter(({ mode }) => mode.kind === 'saturated'),
  }));

const nowMicros = (): number => Number(process.hrtime.bigint() / 1_000n);

/** Of the thread that did most: the others read and write files. */
function busiest(dir: string, window: ProfileWindow, bundle: string): ReadonlyMap<string, number> {
  const stepOf = stepsOfBundle(bundle);
  const sum = (micros: ReadonlyMap<string, number>): number => [...micros.values()].reduce((all, one) => all + one, 0);
  const threads = readdirSync(dir)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => stepMicros(JSON.parse(readFileSync(join(dir, file), 'utf8')) as CpuProfile, window, stepOf));
  const [most] = threads.sort((one, other) => sum(other) - sum(one));
  if (most === undefined || sum(most) === 0)
    throw new Error('the server has written no profile of the time that counts');
  return most;
}

interface Profiled {
  readonly figures: ProfileFigures;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

async function profiled(options: BenchOptions, host: BenchHost, shape: Shape, label: string): Promise<Profiled> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-profile-'));
  try {
    const args = ['--cpu-prof', `--cpu-prof-dir=${dir}`, `--cpu-prof-interval=${String(LOOK_MICROS)}`];
    let [from, to] = [0, Number.POSITIVE_INFINITY];
    const run = await runOnMillrace({ ...host, serverArgs: args }, options, shape, (part) => {
      host.progress(`${label}: ${shape.name}, ${part}`);
      if (part === 'saturated') from = nowMicros() + options.warmupSeconds * 1e6;
      if (part === 'check') to = nowMicros();
    });
    // Only now: the server writes it as it ends.
    const micros = busiest(dir, { from, to }, host.serverBundle);
    const all = [...micros.values()].reduce((sum, one) => sum + one, 0);
    const { node, redis } = run.parts['saturated']?.cpuMicrosPerMessage ?? { node: null, redis: null };
    const steps = [...micros].map(([step, one]): [string, number] => [step, (one / all) * (node ?? 0)]);
    const ackedPerSecond = run.parts['saturated']?.ackedPerSecond ?? 0;
    const figures = {
      ackedPerSecond,
      nodeMicros: node ?? 0,
      redisMicros: redis ?? 0,
      steps: Object.fromEntries(steps),
    };
    return { figures, checked: run.counts, faults: run.faults };
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Where the CPU time of a message goes, step by step, while servers are as busy as they can be. */
export const measureProfile: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null) throw new Error('profile starts servers that write what they do: leave --url out');
  const rounds: Record<string, ProfileFigures>[] = [];
  const faults = new Set<string>();
  let checked = nothingChecked;
  for (let round = 1; round <= options.rounds; round += 1) {
    const figures: Record<string, ProfileFigures> = {};
    for (const shape of shapesOf(options.scale)) {
      const one = await profiled(options, host, shape, `round ${String(round)} of ${String(options.rounds)}`);
      figures[shape.name] = one.figures;
      checked = addChecked(checked, one.checked);
      for (const fault of one.faults) faults.add(`${shape.name}: ${fault}`);
    }
    rounds.push(figures);
  }
  const median = medianOf(rounds);
  return {
    config: { payloadBytes: PAYLOAD_BYTES, lookMicros: LOOK_MICROS },
    rounds,
    median: { profile: median },
    floor: {},
    ratio: {},
    checked,
    faults: [...faults],
    lines: profileLines(median),
    plots: [],
    notMeasured: [
      'The cost of looking: a server whose profile is taken is some percent slower than another one.',
      'What Redis does with its time: only how much it takes is told.',
    ],
  };
};
