import type { BenchOptions } from '../options.ts';
import { sidesReport } from '../report/bench-report.ts';
import type { Findings } from '../report/findings.ts';
import { sidesPlots } from '../report/html-report.ts';
import { sidesLines } from '../report/text-table.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked } from './checked.ts';
import { runOnMillrace } from './millrace-run.ts';
import type { MeasuredPart } from './part-result.ts';
import type { Round, SideRun } from './run-workload.ts';
import { directShape, PAYLOAD_BYTES, type Shape } from './shape.ts';

/** Millrace, set up in one way. */
export interface Side {
  readonly name: string;
  readonly options: Partial<BenchOptions>;
  /** What of the pairs is otherwise on this side. */
  readonly shape?: Pick<Shape, 'atHome'>;
  /** As many times the users. */
  readonly times?: number;
}

function saturatedPairs(scale: number): Shape {
  const shape = directShape(scale);
  return { ...shape, parts: shape.parts.filter(({ mode }) => mode.kind === 'saturated') };
}

/** The pairs of `direct`, saturated, on Millrace set up in two ways: the one, the other, the one, the other … */
export async function comparedSides(
  options: BenchOptions,
  host: BenchHost,
  floorSide: Side,
  measuredSide: Side,
  notMeasured: readonly string[],
): Promise<Findings> {
  if (options.url !== null) throw new Error(`${options.workload} starts servers of its own: leave --url out`);
  const shape = saturatedPairs(options.scale);
  const faults = new Set<string>();
  let checked = nothingChecked;
  const runOf = async (side: Side, label: string): Promise<SideRun> => {
    const sideShape = { ...shape, ...side.shape, users: shape.users * (side.times ?? 1) };
    const run = await runOnMillrace(host, { ...options, ...side.options }, sideShape, (part) => {
      host.progress(`${label}: ${side.name}, ${part}`);
    });
    checked = addChecked(checked, run.counts);
    for (const fault of run.faults) faults.add(`${side.name}: ${fault}`);
    const parts = Object.entries(run.parts).map(([name, part]): [string, MeasuredPart] => [`direct ${name}`, part]);
    return { parts: Object.fromEntries(parts), bytesPerConnection: run.bytesPerConnection };
  };
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const label = `round ${String(round)} of ${String(options.rounds)}`;
    const floor = await runOf(floorSide, label);
    rounds.push({ floor, millrace: await runOf(measuredSide, label), redisFloor: null });
  }
  const sides = sidesReport(rounds, false);
  const names = { measured: measuredSide.name, floor: floorSide.name };
  return {
    config: { payloadBytes: PAYLOAD_BYTES, users: shape.users, window: shape.window, sides: names },
    ...sides,
    checked,
    faults: [...faults],
    lines: sidesLines(sides, false, names),
    plots: sidesPlots(sides, { rounds }, names),
    notMeasured: [...notMeasured, 'Messages that stay: each round begins with an empty Redis.'],
  };
}
