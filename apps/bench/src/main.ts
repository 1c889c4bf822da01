import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@millrace/kernel';
import { parseBenchOptions, usage, type BenchOptions } from './options.ts';
import { runRole, type Role } from './processes/role.ts';
import { benchReport } from './report/bench-report.ts';
import { findingsLines, findingsPage, findingsReport } from './report/findings-report.ts';
import { htmlReport } from './report/html-report.ts';
import { describeCommit, describeMachine } from './report/machine.ts';
import { reportLines } from './report/text-table.ts';
import { runSuite } from './suite/run-suite.ts';
import type { BenchHost } from './workloads/bench-host.ts';
import { isSound, type Checked } from './workloads/checked.ts';
import { ownWorkloads } from './workloads/own-workloads.ts';
import { WorkloadRunner } from './workloads/run-workload.ts';

const besideThis = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** What is left running when the bench is interrupted. */
const stops: (() => Promise<void>)[] = [];

function endOnInterrupt(): void {
  let ending = false;
  const end = (): void => {
    if (ending) process.exit(130);
    ending = true;
    process.stderr.write('\nstopping what was started; once more ends at once\n');
    void Promise.allSettled(stops.reverse().map((stop) => stop())).then(() => process.exit(130));
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}

/** What was found out, as it is written and as it is printed. */
interface Outcome {
  readonly report: { readonly at: string; readonly checked: Checked; readonly faults: readonly string[] };
  readonly page: string;
  readonly lines: readonly string[];
}

async function measure(options: BenchOptions, host: BenchHost): Promise<Outcome> {
  const about = async () => ({
    options,
    machine: await describeMachine(),
    commit: describeCommit(dirname(besideThis('.'))),
    at: new Date(systemClock.nowMs()).toISOString(),
  });
  const own = ownWorkloads[options.workload];
  if (own !== undefined) {
    const findings = await own(options, host);
    const report = findingsReport({ findings, ...(await about()) });
    return { report, page: findingsPage(report, findings), lines: findingsLines(findings) };
  }
  const run = await new WorkloadRunner(options, host).run();
  const report = benchReport({ run, ...(await about()) });
  return { report, page: htmlReport(report, run), lines: reportLines(report) };
}

async function bench(options: BenchOptions): Promise<number> {
  endOnInterrupt();
  const startedMs = systemClock.monotonicMs();
  const progress = (text: string): void => {
    const seconds = ((systemClock.monotonicMs() - startedMs) / 1000).toFixed(0);
    process.stderr.write(`${seconds.padStart(5)} s  ${text}\n`);
  };
  const host: BenchHost = {
    benchBundle: fileURLToPath(import.meta.url),
    serverBundle: besideThis('./server.mjs'),
    cliBundle: besideThis('./cli.mjs'),
    faultsBundle: besideThis('./faults.mjs'),
    peersDir: besideThis('../apps/bench/peers'),
    performancePage: besideThis('../docs/performance.md'),
    progress,
    onStop: (stop) => stops.push(stop),
  };
  if (options.workload === 'all') return runSuite(options, host);
  const { report, page, lines } = await measure(options, host);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  mkdirSync(options.reports, { recursive: true });
  const name = join(options.reports, `${options.workload}-${report.at.replace(/[:.]/g, '-')}`);
  writeFileSync(`${name}.json`, json);
  writeFileSync(`${name}.html`, page);
  if (options.json !== null) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, json);
  }
  for (const fault of report.faults) process.stderr.write(`! ${fault}\n`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  process.stderr.write(`report: ${name}.html\n`);
  return isSound(report.checked) ? 0 : 1;
}

async function main(argv: readonly string[]): Promise<void> {
  const [first, second, ...rest] = argv;
  if (first === '--role') {
    runRole(second as Role, rest);
    return;
  }
  const options = parseBenchOptions(argv);
  if (!options.ok || options.value === 'help') {
    const text = options.ok ? usage : `${options.error}\n\n${usage}`;
    process.stderr.write(`${text}\n`);
    process.exitCode = options.ok ? 0 : 2;
    return;
  }
  try {
    process.exitCode = await bench(options.value);
  } catch (error) {
    process.stderr.write(
      `\nThe bench could not be finished: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

await main(process.argv.slice(2));
