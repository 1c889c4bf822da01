import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@millrace/kernel';
import { isFaultRecord, type FaultRecord } from '../faults/fault-record.ts';
import { readLines } from '../faults/record-lines.ts';
import { medianOf } from '../measure/median.ts';
import type { BenchOptions } from '../options.ts';
import { runProgram } from '../processes/program.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { failoverFigures, failoverLines, type FailoverFigures } from '../report/failover.ts';
import { addChecked, isSound, nothingChecked, type Checked } from './checked.ts';

/** In this order: the quick ones first. */
const FAULTS = ['add-node', 'drain-node', 'kill-node', 'kill-master', 'pause-node', 'cut-redis'] as const;
/** Of all senders together; well below what the slowest of the settings takes on two cores. */
const MESSAGES_PER_SECOND = 500;
/** For trying the bench itself: a small cluster with short leases. */
const BRIEF = { perSecond: 100, leaseMs: 2_000, partitions: 16 };

/** What the program of the faults is told. */
export function faultArgs(
  { rounds, scale, only }: Pick<BenchOptions, 'rounds' | 'scale' | 'only'>,
  dataDir: string,
): readonly string[] {
  const isWhole = scale === 1;
  const perSecond = isWhole ? MESSAGES_PER_SECOND : BRIEF.perSecond;
  const small = isWhole ? [] : ['--lease-ms', String(BRIEF.leaseMs), '--partitions', String(BRIEF.partitions)];
  const names: readonly string[] = only.length > 0 ? only : FAULTS;
  return [
    ...names.flatMap((name) => ['--only', name]),
    ...['--times', String(rounds), '--rate', String(perSecond), '--data-dir', dataDir],
    ...small,
  ];
}

/** What the outside check of a run counted. A device that lacks messages, and one that waits for ever, lost something. */
function checkedOf(run: FaultRecord): Checked {
  const { acked, lost, lostTold, duplicated, gaps, incompleteDevices, unacknowledged, otherwiseWrong } = run;
  return {
    ...nothingChecked,
    sent: acked + unacknowledged,
    acked,
    stored: acked - lost,
    delivered: acked - lost,
    lost: lost - lostTold + incompleteDevices + unacknowledged,
    duplicated,
    gaps: gaps + otherwiseWrong,
  };
}

/** Real faults on a real cluster under load, by the program that `npm run faults` is, each as often as there are rounds. */
export const measureFailover: MeasureFindings = async (options, host): Promise<Findings> => {
  if (options.url !== null) throw new Error('failover starts a cluster of its own for each fault: leave --url out');
  const dataDir = join(options.reports, `failover-${String(systemClock.nowMs())}`);
  mkdirSync(dataDir, { recursive: true });
  const end = await runProgram({
    bundle: host.faultsBundle,
    args: faultArgs(options, dataDir),
    onNote: host.progress,
    onStop: host.onStop,
  });
  const runs = (readLines(join(dataDir, 'results.jsonl')) as readonly { readonly kind: string }[]).filter(
    isFaultRecord,
  );
  if (runs.length === 0) throw new Error(`no fault was run; the last words of the program:\n${end.notes.join('\n')}`);
  const checked = runs.map(checkedOf).reduce(addChecked, nothingChecked);
  const failed = runs.filter(({ ok }) => !ok);
  const faults = failed.map(
    ({ fault, why, logs }) => `${fault}: ${why ?? ''}${logs === null ? '' : ` (logs: ${logs})`}`,
  );
  // What cannot be counted as lost, doubled or left out is no less wrong.
  if ((failed.length > 0 || end.code !== 0) && isSound(checked))
    throw new Error(`not as it must be: ${faults.join('; ')}`);
  if (failed.length === 0) rmSync(dataDir, { recursive: true, force: true });
  return failoverFindings(runs, checked, faults);
};

function failoverFindings(runs: readonly FaultRecord[], checked: Checked, faults: readonly string[]): Findings {
  const names = [...new Set(runs.map(({ fault }) => fault))];
  const median: Record<string, FailoverFigures> = Object.fromEntries(
    names.map((name) => [name, medianOf(runs.filter(({ fault }) => fault === name).map(failoverFigures))]),
  );
  const pauses = Object.values(median).flatMap(({ pauseMs }) => pauseMs ?? []);
  return {
    config: { faults: names, perSecond: runs[0]?.rate ?? null, leaseMs: runs[0]?.leaseMs ?? null, clusterNodes: 3 },
    rounds: runs,
    median: { longestPauseMs: pauses.length === 0 ? null : Math.max(...pauses), failover: median },
    floor: {},
    ratio: Object.fromEntries(
      Object.entries(median).map(([name, { pauseMs, targetMs }]) => [
        name,
        pauseMs === null || targetMs === null ? null : pauseMs / targetMs,
      ]),
    ),
    checked,
    faults,
    lines: failoverLines(median),
    plots: [],
    notMeasured: [
      'How often it is so: each fault was done once or a few times. npm run faults does each ten times.',
      'Faults of the network between machines, of disks and of clocks.',
      'Clients who wait between their attempts as those of a large crowd must.',
    ],
  };
}
