import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@millrace/kernel';
import type { BenchOptions } from '../options.ts';
import { runProgram } from '../processes/program.ts';
import { describeCommit, describeMachine } from '../report/machine.ts';
import type { BenchHost } from '../workloads/bench-host.ts';
import { performancePage, type StepResult } from './performance-page.ts';
import { readSuite, resumed, stepsLeft, whyNotPublished, writeSuite, type SuiteState } from './suite-state.ts';
import { minutesOf, suiteSteps, type SuiteStep } from './suite-steps.ts';
import { reachedBy } from './targets-reached.ts';

interface StepReport {
  readonly notMeasured?: readonly string[];
}

/** Where the suite keeps what it has found. */
class SuiteFiles {
  readonly #dir: string;

  constructor(reports: string) {
    this.#dir = join(reports, 'suite');
    mkdirSync(this.#dir, { recursive: true });
  }

  get state(): string {
    return join(this.#dir, 'suite.json');
  }

  get page(): string {
    return join(this.#dir, 'performance.md');
  }

  json(name: string): string {
    return join(this.#dir, `${name}.json`);
  }

  text(name: string): string {
    return join(this.#dir, `${name}.txt`);
  }

  report(name: string): StepReport {
    return JSON.parse(readFileSync(this.json(name), 'utf8')) as StepReport;
  }
}

/** Runs one workload as the command would. @returns whether it went well; null when it was ended before it was through. */
async function runStep(
  { name, workload, args }: SuiteStep,
  { given, reports }: Pick<BenchOptions, 'given' | 'reports'>,
  host: BenchHost,
  files: SuiteFiles,
): Promise<{ readonly ok: boolean; readonly seconds: number } | null> {
  const ended = new AbortController();
  const startedMs = systemClock.monotonicMs();
  // Of an option that is given twice the last one counts.
  const all = [workload, ...args, ...given, '--json', files.json(name), '--reports', reports];
  const { code, out } = await runProgram({
    bundle: host.benchBundle,
    args: all,
    onNote: (line) => {
      host.progress(`${name}: ${line.trim()}`);
    },
    onStop: (stop) => {
      host.onStop(() => {
        ended.abort();
        return stop();
      });
    },
  });
  if (ended.signal.aborted) return null;
  writeFileSync(files.text(name), `${out.join('\n').trim()}\n`);
  return { ok: code === 0, seconds: (systemClock.monotonicMs() - startedMs) / 1_000 };
}

async function pageOf(
  state: SuiteState,
  steps: readonly SuiteStep[],
  why: string | null,
  files: SuiteFiles,
): Promise<string> {
  const results = steps.flatMap(({ name }): StepResult[] => {
    const done = state.steps[name];
    if (done === undefined || !existsSync(files.json(name))) return [];
    const text = readFileSync(files.text(name), 'utf8');
    return [{ name, done, text, notMeasured: files.report(name).notMeasured ?? [] }];
  });
  return performancePage({
    commit: state.commit,
    machine: await describeMachine(),
    loadAverages: state.loadAverages,
    command: `npm run bench -- all${state.long ? ' --long' : ''}`,
    whyNotPublished: why,
    steps: results,
    reached: reachedBy(Object.fromEntries(results.map(({ name }) => [name, files.report(name)]))),
  });
}

/**
 * Runs the workloads one after the other, each as a command of its own, and writes what they came to as a page. One that
 * was ended goes on where it was.
 *
 * @returns the exit code: 1 when a step did not go well.
 */
export async function runSuite(options: BenchOptions, host: BenchHost): Promise<number> {
  const { long, only, given, reports, anew, url, json } = options;
  if (url !== null || json !== null) {
    throw new Error('all starts servers of its own, and writes several files: leave --url and --json out');
  }
  const steps = suiteSteps(long, only);
  const names = steps.map(({ name }) => name);
  const files = new SuiteFiles(reports);
  const commit = describeCommit(dirname(host.benchBundle));
  const asked = { commit, given, long, loadAverage: loadavg()[0] ?? 0 };
  let state = resumed(readSuite(files.state), asked, names, anew);
  writeSuite(files.state, state);
  const left = stepsLeft(steps, state);
  if (left.length < steps.length)
    host.progress(`${String(steps.length - left.length)} of ${String(steps.length)} are done`);
  host.progress(`about ${String(Math.ceil(minutesOf(left)))} minutes: ${left.map(({ name }) => name).join(', ')}`);
  for (const step of left) {
    host.progress(`${step.name}: about ${String(step.minutes)} minutes`);
    const at = new Date(systemClock.nowMs()).toISOString();
    const outcome = await runStep(step, options, host, files);
    if (outcome === null) return 1;
    const { ok, seconds } = outcome;
    const done = { at, args: [step.workload, ...step.args, ...given], seconds, ok };
    state = { ...state, steps: { ...state.steps, [step.name]: done } };
    writeSuite(files.state, state);
    if (!ok) host.progress(`${step.name} did not go well; started once more, the suite does it again`);
  }
  const all = suiteSteps(long, []).map(({ name }) => name);
  const why = whyNotPublished(state, names, all);
  const path = why === null ? host.performancePage : files.page;
  writeFileSync(path, await pageOf(state, steps, why, files));
  const failed = names.filter((name) => state.steps[name]?.ok !== true);
  process.stdout.write(`\n${String(names.length - failed.length)} of ${String(names.length)} workloads went well\n`);
  for (const name of failed) process.stdout.write(`not well: ${name}\n`);
  if (why !== null) process.stdout.write(`not for the documentation: ${why}\n`);
  process.stdout.write(`${path}\n`);
  return failed.length === 0 ? 0 : 1;
}
