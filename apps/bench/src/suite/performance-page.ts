import type { Machine } from '../report/machine.ts';
import type { StepDone } from './suite-state.ts';
import type { Reached } from './targets-reached.ts';

/** What a step came to. */
export interface StepResult {
  readonly name: string;
  readonly done: StepDone;
  /** What it printed for people. */
  readonly text: string;
  readonly notMeasured: readonly string[];
}

export interface PerformancePage {
  readonly commit: string | null;
  readonly machine: Machine;
  readonly loadAverages: readonly number[];
  readonly command: string;
  /** Why the figures are none for the documentation; null when they are. */
  readonly whyNotPublished: string | null;
  readonly steps: readonly StepResult[];
  readonly reached: readonly Reached[];
}

const SMALL = 100;

function numberText(value: number | null, unit: string): string {
  if (value === null) return 'not measured';
  const text = value < SMALL ? value.toFixed(2) : Math.round(value).toLocaleString('en-US');
  return unit === '' ? text : `${text} ${unit}`;
}

const boundText = ({ at, bound, unit }: Reached): string =>
  `${at === 'least' ? '≥' : '≤'} ${bound.toLocaleString('en-US')}${unit === '' ? '' : ` ${unit}`}`;

const verdict = (ok: boolean | null): string => (ok === null ? '-' : ok ? 'yes' : 'no');

/** A table whose columns are as wide as their widest cell, as the formatter of the project has it. */
function tableOf(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)];
}

const dayOf = (steps: readonly StepResult[]): string => {
  const days = [...new Set(steps.map(({ done }) => done.at.slice(0, 10)))].sort();
  return days.length > 1 ? `${days[0] ?? ''} to ${days.at(-1) ?? ''}` : (days[0] ?? 'never');
};

/** The page as Markdown. */
export function performancePage(page: PerformancePage): string {
  const { commit, machine, loadAverages, command, steps, reached } = page;
  const minutes = steps.reduce((sum, { done }) => sum + done.seconds, 0) / 60;
  const measured = reached.filter(({ step }) => steps.some(({ name }) => name === step));
  const notMeasured = [...new Set(steps.flatMap((step) => step.notMeasured))];
  const lines = [
    '# Performance',
    '',
    `Written by \`${command}\`, and not by hand: run it again instead of changing it.`,
    ...(page.whyNotPublished === null ? [] : ['', `**These are no figures to go by:** ${page.whyNotPublished}.`]),
    '',
    `Measured on ${dayOf(steps)} at commit ${commit ?? 'not known'}, in ${minutes.toFixed(0)} minutes, on ${machine.cpu}, ` +
      `${String(machine.cores)} cores, ${String(machine.memoryGiB)} GiB, ${machine.system}, Node ${machine.node}, ` +
      `${machine.redis ?? 'no Redis'}. Server, Redis and load shared these cores. Load average before it began: ` +
      `${loadAverages.map((one) => one.toFixed(2)).join(', ')}.`,
    '',
    'Every figure of Millrace stands beside a floor that was measured in the same minutes on the same machine; on another',
    'machine the ratios mean something, the speeds do not. What each workload does, and what its floor is, is told in',
    '[benchmarks](benchmarks.md).',
    '',
    '## What is wanted, and what was reached',
    '',
    ...tableOf([
      ['workload', 'what', 'wanted', 'measured', 'reached'],
      ...measured.map((one) => [one.step, one.what, boundText(one), numberText(one.value, one.unit), verdict(one.ok)]),
    ]),
    '',
    '## The figures',
    '',
    ...steps.flatMap(({ name, done, text }) => [
      `### ${name}`,
      '',
      `\`npm run bench -- ${done.args.join(' ')}\`, ${(done.seconds / 60).toFixed(1)} minutes:`,
      '',
      '```text',
      ...text.trim().split('\n'),
      '```',
      '',
    ]),
    '## How to run it again',
    '',
    '```sh',
    'npm run bench -- all          # leave the machine alone meanwhile; one that was ended is gone on with',
    'npm run bench -- all --long   # with 50,000 idle connections, more rounds of the large ones, crossing and burst',
    '```',
    '',
    'The page is written here only when the machine had nothing else to do before, all steps went well, and the sources are',
    'those of a commit; otherwise it goes to the reports. Each workload can be run alone, with more rounds and seconds.',
    '',
    '## What it does not show',
    '',
    ...notMeasured.map((sentence) => `- ${sentence}`),
  ];
  return `${lines.join('\n')}\n`;
}
