import { Latency } from '../measure/latency.ts';
import type { MeasuredPart } from '../workloads/part-result.ts';
import type { SideRun, WorkloadRun } from '../workloads/run-workload.ts';
import type { BenchReport } from './bench-report.ts';
import { escaped, plotSvg, type Plot, type Series } from './plot.ts';
import { MILLRACE_AND_FLOOR, partNames, reportLines, type SideNames } from './text-table.ts';

/** Of every page that the bench writes. */
export const pageStyle = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
pre { background: #f5f5f3; padding: 1rem; overflow-x: auto; font-size: 13px }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem }
svg { width: 100%; height: auto; border: 1px solid #e3e2e0 } svg text { font: 11px system-ui, sans-serif; fill: #444 }
svg .title { font-size: 13px; font-weight: 600; fill: #222 } svg .grid { stroke: #e9e9e7 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem } dt { color: #666 } dd { margin: 0 }
.bad { color: #b00020; font-weight: 600 }
`;

const sidesOf = (
  run: Pick<WorkloadRun, 'rounds'>,
  names: SideNames,
): readonly { readonly name: string; readonly sides: readonly SideRun[] }[] =>
  [
    { name: names.measured, sides: run.rounds.map(({ millrace }) => millrace) },
    { name: names.floor, sides: run.rounds.map(({ floor }) => floor) },
  ].map(({ name, sides }) => ({ name, sides: sides.filter((side): side is SideRun => side !== null) }));

type HistogramName = 'ackHistogram' | 'deliverHistogram' | 'lastHistogram';

const latencyTitles: Readonly<Record<HistogramName, string>> = {
  ackHistogram: 'until the ack',
  deliverHistogram: 'until the delivery',
  lastHistogram: 'until the last member has it',
};

function merged(parts: readonly MeasuredPart[], which: HistogramName): Latency {
  const all = new Latency();
  for (const part of parts) all.add(Latency.decode(part[which]));
  return all;
}

/** Percentiles at even distances of "nines": 90, 99, 99.9. */
const nines = (percentile: number): number => -Math.log10(1 - percentile / 100);
const ninesText = (x: number): string => `${String(Number((100 * (1 - 10 ** -x)).toFixed(4)))}%`;

function latencyPlot(run: Pick<WorkloadRun, 'rounds'>, part: string, which: HistogramName, names: SideNames): Plot {
  const series: Series[] = [];
  for (const { name, sides } of sidesOf(run, names)) {
    const parts = sides.flatMap((side) => side.parts[part] ?? []);
    const latency = merged(parts, which);
    if (latency.count > 0) {
      series.push({ name, points: latency.curve().map(([percentile, ms]) => [nines(percentile), ms]) });
    }
  }
  return {
    title: `${part}: ${latencyTitles[which]}`,
    xLabel: 'of all messages, all rounds',
    yLabel: 'ms or less',
    xText: ninesText,
    yScale: 'log',
    series,
  };
}

function throughputPlot(run: Pick<WorkloadRun, 'rounds'>, part: string, names: SideNames): Plot {
  const series = sidesOf(run, names).flatMap(({ name, sides }) => {
    const rounds = sides.flatMap((side) => side.parts[part] ?? []).map((measured) => measured.series);
    const points = rounds.flat().map((value, index) => [index / 10, value] as const);
    return points.length > 0 ? [{ name, points }] : [];
  });
  return { title: `${part}: throughput over time`, xLabel: 'seconds, rounds end to end', yLabel: 'acked/s', series };
}

/** CPU time of a delivery against the size of a group; empty for other workloads. */
function costPlots(report: Pick<BenchReport, 'median' | 'floor'>, names: SideNames): Plot[] {
  const sides = [
    { name: names.measured, parts: report.median.parts },
    { name: names.floor, parts: report.floor.parts },
  ];
  const series = sides.flatMap(({ name, parts }) => {
    const points = Object.entries(parts).flatMap(([part, { cpuMicrosPerDelivery }]) => {
      const size = /^group-(\d+) saturated$/.exec(part)?.[1];
      return size === undefined || cpuMicrosPerDelivery === null ? [] : [[Number(size), cpuMicrosPerDelivery] as const];
    });
    return points.length > 0 ? [{ name, points }] : [];
  });
  if (series.length === 0) return [];
  return [{ title: 'cost against group size, saturated', xLabel: 'members', yLabel: 'µs of CPU a delivery', series }];
}

export function factsHtml(report: Pick<BenchReport, 'at' | 'commit' | 'machine' | 'config'>): string {
  const { machine, config } = report;
  const rows: [string, string][] = [
    ['when', report.at],
    ['commit', report.commit ?? 'not known'],
    ['machine', `${machine.cpu}, ${String(machine.cores)} cores, ${String(machine.memoryGiB)} GiB, ${machine.system}`],
    ['versions', `Node ${machine.node}, ${machine.redis ?? 'no Redis here'}`],
    ...Object.entries(config).map(([name, value]): [string, string] => [name, String(value)]),
  ];
  return `<dl>${rows.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>`;
}

/** Of both sides of all rounds; what was not measured has no plot. */
export function sidesPlots(
  report: Pick<BenchReport, 'median' | 'floor'>,
  run: Pick<WorkloadRun, 'rounds'>,
  names: SideNames = MILLRACE_AND_FLOOR,
): readonly Plot[] {
  return [
    ...costPlots(report, names),
    ...partNames(report).flatMap((name) => [
      latencyPlot(run, name, 'ackHistogram', names),
      latencyPlot(run, name, 'deliverHistogram', names),
      latencyPlot(run, name, 'lastHistogram', names),
      throughputPlot(run, name, names),
    ]),
  ].filter(({ series }) => series.length > 0);
}

export function htmlReport(report: BenchReport, run: WorkloadRun): string {
  const plots = sidesPlots(report, run);
  const { lost, duplicated, gaps } = report.checked;
  const verdict =
    lost + duplicated + gaps === 0 ? '' : '<p class="bad">Messages were lost, duplicated or left out.</p>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Millrace bench: ${report.workload}</title><style>${pageStyle}</style></head>
<body><h1>Millrace bench: ${report.workload}</h1>${verdict}
<p>Medians of ${String(report.rounds.length)} rounds. CPU time is user and system time in µs for each acknowledged message.</p>
<pre>${escaped(reportLines(report).join('\n'))}</pre>
<div class="plots">${plots.map(plotSvg).join('\n')}</div>
<h2>What was measured</h2>${factsHtml(report)}
<h2>What was not</h2><ul>${report.notMeasured.map((text) => `<li>${escaped(text)}</li>`).join('')}</ul>
${report.faults.length === 0 ? '' : `<h2>What went wrong</h2><ul>${report.faults.map((text) => `<li>${escaped(text)}</li>`).join('')}</ul>`}
</body></html>
`;
}
