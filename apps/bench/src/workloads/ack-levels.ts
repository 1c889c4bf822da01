import type { AckLevel, BenchOptions } from '../options.ts';
import { sidesReport } from '../report/bench-report.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { sidesPlots } from '../report/html-report.ts';
import { sidesLines } from '../report/text-table.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked } from './checked.ts';
import { runOnMillrace } from './millrace-run.ts';
import type { MeasuredPart } from './part-result.ts';
import type { Round, SideRun } from './run-workload.ts';
import { directShape, PAYLOAD_BYTES, type Shape } from './shape.ts';

/** The level that another one is held against. */
const LEAST: AckLevel = 'memory';

function saturatedPairs(scale: number): Shape {
  const shape = directShape(scale);
  return { ...shape, parts: shape.parts.filter(({ mode }) => mode.kind === 'saturated') };
}

/** The pairs of `direct`, saturated, at one ack level beside `memory`: the one, the other, the one, the other … */
async function compareLevels(options: BenchOptions, host: BenchHost, level: AckLevel): Promise<Findings> {
  if (options.url !== null) throw new Error(`${level} starts servers at two ack levels: leave --url out`);
  const shape = saturatedPairs(options.scale);
  const faults = new Set<string>();
  let checked = nothingChecked;
  const sideAt = async (ackLevel: AckLevel, label: string): Promise<SideRun> => {
    const run = await runOnMillrace(host, { ...options, ackLevel }, shape, (part) => {
      host.progress(`${label}: ${ackLevel}, ${part}`);
    });
    checked = addChecked(checked, run.counts);
    for (const fault of run.faults) faults.add(`${ackLevel}: ${fault}`);
    const parts = Object.entries(run.parts).map(([name, part]): [string, MeasuredPart] => [`direct ${name}`, part]);
    return { parts: Object.fromEntries(parts), bytesPerConnection: run.bytesPerConnection };
  };
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const label = `round ${String(round)} of ${String(options.rounds)}`;
    const floor = await sideAt(LEAST, label);
    rounds.push({ floor, millrace: await sideAt(level, label), redisFloor: null });
  }
  const sides = sidesReport(rounds, false);
  const names = { measured: level, floor: LEAST };
  return {
    config: { payloadBytes: PAYLOAD_BYTES, users: shape.users, window: shape.window, levels: names },
    ...sides,
    checked,
    faults: [...faults],
    lines: sidesLines(sides, false, names),
    plots: sidesPlots(sides, { rounds }, names),
    notMeasured: [
      'A disk of its own: what an fsync takes is that of the disk that the temporary directory is on.',
      'Messages that stay: each round begins with an empty Redis.',
    ],
  };
}

export const measureDisk: MeasureFindings = (options, host) => compareLevels(options, host, 'disk');
