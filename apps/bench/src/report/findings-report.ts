import type { BenchOptions } from '../options.ts';
import type { Checked } from '../workloads/checked.ts';
import { redisConfig } from './bench-report.ts';
import type { Findings } from './findings.ts';
import { factsHtml, pageStyle } from './html-report.ts';
import type { Machine } from './machine.ts';
import { NOT_MEASURED_ANYWHERE } from './not-measured.ts';
import { escaped, plotSvg } from './plot.ts';
import { checkedLine } from './text-table.ts';

/** The one object that is written as JSON: the fields of every workload's report. */
export interface FindingsReport {
  readonly workload: BenchOptions['workload'];
  readonly at: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rounds: readonly object[];
  readonly median: object;
  readonly floor: object;
  readonly ratio: object;
  readonly checked: Checked;
  readonly faults: readonly string[];
  readonly notMeasured: readonly string[];
}

export interface FindingsReportParts {
  readonly options: BenchOptions;
  readonly findings: Findings;
  readonly machine: Machine;
  readonly commit: string | null;
  readonly at: string;
}

export function findingsReport({ options, findings, machine, commit, at }: FindingsReportParts): FindingsReport {
  const { config, rounds, median, floor, ratio, checked, faults, notMeasured } = findings;
  const asked = {
    rounds: options.rounds,
    seconds: options.seconds,
    warmupSeconds: options.warmupSeconds,
    scale: options.scale,
    ...redisConfig(options),
    engineAskedFor: options.engine,
    encoding: options.encoding,
    nodes: options.nodes,
  };
  return {
    workload: options.workload,
    at,
    commit,
    machine,
    config: { ...asked, ...config },
    rounds,
    median,
    floor,
    ratio,
    checked,
    faults,
    notMeasured: [...notMeasured, ...NOT_MEASURED_ANYWHERE],
  };
}

/** What a person reads at the end. */
export const findingsLines = ({ lines, checked }: Findings): readonly string[] => [...lines, checkedLine({ checked })];

export function findingsPage(report: FindingsReport, findings: Findings): string {
  const { lost, duplicated, gaps } = report.checked;
  const isSound = lost + duplicated + gaps === 0;
  const verdict = isSound ? '' : '<p class="bad">Messages were lost, duplicated or left out.</p>';
  const list = (texts: readonly string[]): string => texts.map((text) => `<li>${escaped(text)}</li>`).join('');
  const plots = findings.plots.filter(({ series }) => series.length > 0);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Millrace bench: ${report.workload}</title><style>${pageStyle}</style></head>
<body><h1>Millrace bench: ${report.workload}</h1>${verdict}
<p>Medians of ${String(report.rounds.length)} rounds.</p>
<pre>${escaped(findingsLines(findings).join('\n'))}</pre>
<div class="plots">${plots.map(plotSvg).join('\n')}</div>
<h2>What was measured</h2>${factsHtml(report)}
<h2>What was not</h2><ul>${list(report.notMeasured)}</ul>
${report.faults.length === 0 ? '' : `<h2>What went wrong</h2><ul>${list(report.faults)}</ul>`}
</body></html>
`;
}
