/**
 * Real faults on a real cluster, one after the other, with an outside check: docs/faults.md. What was found is appended to
 * a file, a line a run, so that it can be ended and gone on with at any time.
 */
import { mkdirSync, rmSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeCommit, describeMachine } from '../apps/bench/src/report/machine.ts';
import { faults, type Fault } from './faults/faults.ts';
import { appendResult, readResults, type CapacityRecord, type RunRecord } from './faults/results.ts';
import { measureCapacity, runFault, type RunContext } from './faults/run-fault.ts';
import { growthTable, soakFor } from './faults/soak-run.ts';
import type { Setting } from './faults/setting.ts';
import type { Stage } from './faults/stage.ts';
import { markdownTable, rowsOf, textTable } from './faults/table.ts';
import { optionsOf, refuse, whole } from './options.ts';

const HELP = `npm run faults -- [options]

  --only NAME      only this fault; may be given several times: ${faults.map(({ name }) => name).join(', ')}
  --times N        until each was run N times, those in the file among them. Default: 10
  --rate N         messages a second. Default: a third of the capacity, which is measured first
  --lease-ms N     the nodes' lease. Default: 10000, as a node has it
  --partitions N   Default: 64, as a cluster has it
  --data-dir DIR   where results.jsonl is, and the logs of runs that failed. Default: .millrace/faults
  --soak MINUTES   one cluster for so long with one fault after the other, and what went on growing in it
  --table          shows what is there, as a table and as Markdown, and runs nothing`;

const values = optionsOf(HELP, {
  only: { type: 'string', multiple: true, default: [] },
  times: { type: 'string', default: '10' },
  rate: { type: 'string' },
  'lease-ms': { type: 'string', default: '10000' },
  partitions: { type: 'string', default: '64' },
  'data-dir': { type: 'string', default: '.millrace/faults' },
  soak: { type: 'string' },
  table: { type: 'boolean', default: false },
});

const CAPACITY_SHARE = 3;
/** Under load before each fault, and after it. */
const BEFORE_MS = 30_000;
const AFTER_MS = 3_000;
const SETTLE_SECONDS = 60;

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const times = whole('times', values.times, [1, 1_000_000]);
const leaseMs = whole('lease-ms', values['lease-ms'], [1_000, 600_000]);
const partitions = whole('partitions', values.partitions, [1, 4_096]);
const soakMinutes = values.soak === undefined ? null : whole('soak', values.soak, [1, 100_000]);
const givenRate = values.rate === undefined ? null : whole('rate', values.rate, [1, 1_000_000]);
const dataDir = resolve(values['data-dir']);
const resultsFile = join(dataDir, 'results.jsonl');

const chosen = values.only.length === 0 ? faults : faults.filter(({ name }) => values.only.includes(name));
const unknown = values.only.filter((name) => !faults.some((fault) => fault.name === name));
if (unknown.length > 0) {
  refuse(`There is no fault ${unknown.join(', ')}; there are ${faults.map(({ name }) => name).join(', ')}.`);
}

const runsOf = (name?: string): readonly RunRecord[] =>
  readResults(resultsFile).filter(
    (one) => one.kind === 'run' && (name === undefined || one.fault === name),
  ) as RunRecord[];

function showTable(): void {
  const runs = runsOf();
  const rows = rowsOf(
    runs,
    faults.map(({ name }) => name),
  );
  const commits = [...new Set(runs.map(({ commit }) => commit ?? 'not known'))];
  const machines = [...new Set(runs.map(({ machine }) => machine))];
  console.log(textTable(rows).join('\n'));
  console.log(`\n${markdownTable(rows).join('\n')}\n`);
  for (const one of readResults(resultsFile)) {
    if (one.kind !== 'capacity') continue;
    console.log(`capacity, ${one.setting}: ${String(one.perSecond)}/s on ${one.at.slice(0, 10)} (${one.how})`);
  }
  console.log(`machine: ${machines.join('; ')}\ncommits: ${commits.join(', ')}`);
  for (const { at, fault, why, logs } of runs.filter(({ ok }) => !ok)) {
    console.log(`failed: ${fault} at ${at}: ${why ?? ''}${logs === null ? '' : ` (logs: ${logs})`}`);
  }
}

let stage: Stage | null = null;
let isEnding = false;

async function end(code: number): Promise<never> {
  isEnding = true;
  await stage?.close().catch((error: unknown) => {
    say(String(error));
  });
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (isEnding) return;
    say('• ending; the run that is under way is not recorded');
    void end(130);
  });
}
// Its script was killed: nobody is there to end this one.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.emit('SIGTERM');
}, 1_000).unref();
// Whatever else ends this process, nothing that it started stays.
process.on('exit', () => {
  stage?.killNow();
});

/** Data is not kept, logs are when something was wrong. */
function tidy(dir: string, isKept: boolean): void {
  if (!isKept) {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    return;
  }
  const files = readdirSync(dir, { recursive: true, withFileTypes: true });
  for (const file of files) {
    if (file.isFile() && !file.name.endsWith('.log')) rmSync(join(file.parentPath, file.name), { force: true });
  }
}

const onStage = (one: Stage): void => {
  stage = one;
};

let directories = 0;
function contextOf(name: string, commit: string | null, machine: string): RunContext {
  directories += 1;
  const dir = join(dataDir, 'runs', `${new Date().toISOString().replaceAll(':', '-')}-${String(directories)}-${name}`);
  mkdirSync(dir, { recursive: true });
  return {
    stage: {
      dir,
      bundles: dirname(fileURLToPath(import.meta.url)),
      leaseMs,
      partitions,
      settleSeconds: SETTLE_SECONDS,
      onStage,
    },
    commit,
    machine,
    say: (text) => {
      say(`  ${text}`);
    },
    beforeMs: BEFORE_MS,
    afterMs: AFTER_MS,
  };
}

async function whereWeAre(): Promise<{ readonly commit: string | null; readonly machine: string }> {
  const { cpu, cores, system, node, redis } = await describeMachine();
  const machine = `${String(cores)} × ${cpu}, ${system}, Node ${node}, ${redis ?? 'no Redis'}`;
  return { commit: describeCommit('.'), machine };
}

async function capacityOf(setting: Setting, commit: string | null, machine: string): Promise<number> {
  const isIt = (one: { kind: string }): one is CapacityRecord =>
    one.kind === 'capacity' &&
    (one as CapacityRecord).setting === setting &&
    (one as CapacityRecord).machine === machine;
  const known = readResults(resultsFile).filter(isIt).at(-1);
  if (known !== undefined) return known.perSecond;
  say(`• measuring the capacity over ${setting}`);
  const context = contextOf(`capacity-${setting}`, commit, machine);
  try {
    const measured = await measureCapacity(setting, context);
    appendResult(resultsFile, measured);
    say(`  ${String(measured.perSecond)} messages a second (load average ${String(measured.loadAverage)})`);
    tidy(context.stage.dir, false);
    return measured.perSecond;
  } catch (error) {
    tidy(context.stage.dir, true);
    throw error;
  }
}

async function runOnce(fault: Fault, commit: string | null, machine: string): Promise<void> {
  const capacity = givenRate === null ? await capacityOf(fault.setting, commit, machine) : null;
  const rate = givenRate ?? Math.ceil((capacity ?? 0) / CAPACITY_SHARE);
  const run = runsOf(fault.name).length;
  say(`• ${fault.name}, run ${String(run + 1)} of ${String(times)}: ${fault.about}`);
  const context = contextOf(fault.name, commit, machine);
  const { dir } = context.stage;
  const record = await runFault({ fault, run, rate, capacityPerSecond: capacity }, context);
  if (isEnding) return;
  tidy(dir, !record.ok);
  appendResult(resultsFile, { ...record, logs: record.ok ? null : dir });
  const pause = record.pauseMs === null ? '' : `, longest pause ${String(record.pauseMs)} ms`;
  const target = record.targetMs === null ? '' : ` (target < ${String(record.targetMs)})`;
  say(`  ${record.ok ? 'ok' : `NOT OK: ${record.why ?? ''}; logs: ${dir}`}${pause}${target}`);
}

/** @returns whether nothing was wrong, and nothing went on growing. */
async function runSoak(minutes: number, commit: string | null, machine: string): Promise<boolean> {
  const rate = givenRate ?? Math.ceil((await capacityOf('cluster', commit, machine)) / CAPACITY_SHARE);
  say(`• ${String(minutes)} minutes with one fault after the other`);
  const context = contextOf('soak', commit, machine);
  const { why, result, samples, grown, faults: count } = await soakFor(minutes, rate, context);
  const { acked, lost, violations, incompleteDevices } = result;
  console.log(growthTable(samples, grown).join('\n'));
  console.log(
    `\n${String(count)} faults, ${String(acked)} acknowledged, ${String(lost)} lost, ` +
      `${Object.entries(violations)
        .map(([kind, found]) => `${String(found)} ${kind}`)
        .join(', ')}, ${String(incompleteDevices)} devices incomplete`,
  );
  console.log(`machine: ${machine}\ncommit: ${commit ?? 'not known'}`);
  console.log(why === null ? 'nothing went on growing' : `NOT OK: ${why}`);
  say(`  samples and logs: ${context.stage.dir}`);
  return why === null;
}

async function main(): Promise<void> {
  if (soakMinutes !== null) {
    const { commit, machine } = await whereWeAre();
    process.exitCode = (await runSoak(soakMinutes, commit, machine)) ? 0 : 1;
    return;
  }
  if (!values.table) {
    const { commit, machine } = await whereWeAre();
    // One run of each, then the next of each: whenever it is ended, there is something of everything.
    for (let round = 0; round < times; round += 1) {
      for (const fault of chosen) if (runsOf(fault.name).length <= round) await runOnce(fault, commit, machine);
    }
  }
  showTable();
  const wrong = runsOf().filter(({ ok, fault }) => !ok && chosen.some(({ name }) => name === fault));
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

await main().catch(async (error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  await end(1);
});
