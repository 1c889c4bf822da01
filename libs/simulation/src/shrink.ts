import { NEVER } from './world-options.ts';
import type { SimulationOptions, SimulationReport } from './simulate.ts';

export interface Shrunk {
  /** What `simulate` is to be given beside the seed to see the same with less. */
  readonly options: SimulationOptions;
  readonly report: SimulationReport;
  readonly runs: number;
}

type Run = (seed: number, options: SimulationOptions) => Promise<SimulationReport>;

/** Simpler worlds, each tried by itself, what takes most away first. */
const SIMPLER: readonly SimulationOptions[] = [
  { nodes: 1 },
  { nodes: 2 },
  { partitionCount: 1 },
  { partitionCount: 2 },
  { faultChance: 0 },
  { answersLostChance: 0 },
  { failOvers: false },
  { readAbove: 10_000 },
  { readAboveLoad: 1e9 },
  { hotEntries: NEVER },
  { isSearched: false },
  { users: 2 },
  { users: 3 },
  { groups: 1 },
  { groups: 2 },
];

const size = ({ report }: Shrunk): number => report.faults.length;

/** A violation without names and numbers: what is wrong, not where. */
const kindOf = (violation: string): string => violation.replace(/\b\w*\d+\b/g, '#');

/** Whether something that is wrong in one run is wrong in the other one, too. */
function failsAlike(one: SimulationReport, other: SimulationReport): boolean {
  const kinds = new Set(one.violations.map(kindOf));
  return other.violations.some((violation) => kinds.has(kindOf(violation)));
}

/** More of it makes the world simpler: no conversation is pulled, nothing is archived. */
const SIMPLER_ABOVE: ReadonlySet<string> = new Set(['readAbove', 'readAboveLoad', 'hotEntries']);

const isLess = (simpler: SimulationOptions, { options }: SimulationReport): boolean =>
  Object.entries(simpler).every(([name, value]) => {
    const now = Number(options[name as keyof SimulationOptions]);
    return SIMPLER_ABOVE.has(name) ? value > now : value < now;
  });

/**
 * Looks for a run of the same seed that goes wrong in the same way with fewer faults and in a simpler world: fewer
 * faults from the first on, then each fault left out, then each setting simpler, until nothing more can go.
 *
 * What follows on a fault that is left out is another run, for there is one source of chance; so what is found is
 * short, and not the shortest there is.
 *
 * @returns null when the seed goes right.
 */
export async function shrink(seed: number, given: SimulationOptions, run: Run): Promise<Shrunk | null> {
  const first = await run(seed, given);
  if (first.violations.length === 0) return null;
  let best: Shrunk = { options: given, report: first, runs: 1 };
  let runs = 1;
  const tries = async (change: SimulationOptions): Promise<boolean> => {
    const options = { ...best.options, ...change };
    const report = await run(seed, options);
    runs += 1;
    if (!failsAlike(first, report) || report.faults.length > size(best)) return false;
    best = { options, report, runs };
    return true;
  };
  for (let before = Infinity; before > size(best);) {
    before = size(best);
    const due = (best.report.faults.at(-1)?.index ?? 0) + 1;
    for (let faultsMax = 0; faultsMax < due; faultsMax += 1) if (await tries({ faultsMax })) break;
    for (const { index } of [...best.report.faults].reverse()) {
      await tries({ without: [...(best.options.without ?? []), index] });
    }
    for (const simpler of SIMPLER) if (isLess(simpler, best.report)) await tries(simpler);
  }
  return { ...best, runs };
}
