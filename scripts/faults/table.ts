import type { RunRecord } from './results.ts';

export interface FaultRow {
  readonly fault: string;
  readonly runs: number;
  readonly ok: number;
  readonly lost: number;
  readonly lostTold: number;
  readonly duplicated: number;
  readonly gaps: number;
  readonly otherwiseWrong: number;
  readonly incompleteDevices: number;
  readonly pauseMsMedian: number | null;
  readonly pauseMsMax: number | null;
  /** Median of what the same load had without the fault. */
  readonly pauseBeforeMs: number | null;
  readonly targetMs: number | null;
  /** Runs whose longest pause is below the target. */
  readonly inTarget: number;
  readonly ackedPerSecond: number;
  readonly loadAverageMax: number;
}

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((left, right) => left - right);
  const [below, above] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return below === undefined || above === undefined ? null : (below + above) / 2;
}

const sum = (runs: readonly RunRecord[], of: (run: RunRecord) => number): number =>
  runs.reduce((total, run) => total + of(run), 0);

/** A row for each fault that was run, in the order of `names`. */
export function rowsOf(runs: readonly RunRecord[], names: readonly string[]): readonly FaultRow[] {
  return names.flatMap((fault) => {
    const own = runs.filter((run) => run.fault === fault);
    const last = own.at(-1);
    if (last === undefined) return [];
    const pauses = own.flatMap(({ pauseMs }) => pauseMs ?? []);
    return [
      {
        fault,
        runs: own.length,
        ok: own.filter(({ ok }) => ok).length,
        lost: sum(own, ({ lost }) => lost),
        lostTold: sum(own, ({ lostTold }) => lostTold),
        duplicated: sum(own, ({ duplicated }) => duplicated),
        gaps: sum(own, ({ gaps }) => gaps),
        otherwiseWrong: sum(own, ({ otherwiseWrong }) => otherwiseWrong),
        incompleteDevices: sum(own, ({ incompleteDevices }) => incompleteDevices),
        pauseMsMedian: median(pauses),
        pauseMsMax: pauses.length === 0 ? null : Math.max(...pauses),
        pauseBeforeMs: median(own.flatMap(({ pauseBeforeMs }) => pauseBeforeMs ?? [])),
        targetMs: last.targetMs,
        inTarget: own.filter(({ pauseMs, targetMs }) => pauseMs !== null && targetMs !== null && pauseMs < targetMs)
          .length,
        ackedPerSecond: median(own.map(({ ackedPerSecond }) => ackedPerSecond)) ?? 0,
        loadAverageMax: Math.max(...own.flatMap(({ loadAverage }) => [...loadAverage])),
      },
    ];
  });
}

const HEADINGS = [
  'fault',
  'runs',
  'ok',
  'lost',
  'duplicated',
  'gaps',
  'else wrong',
  'devices incomplete',
  'pause median',
  'max',
  'before it',
  'target',
  'in target',
  'acked/s',
  'load average',
] as const;

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const ms = (value: number | null): string => (value === null ? '-' : `${whole(value)} ms`);

function cellsOf(row: FaultRow): readonly string[] {
  const { lost, lostTold, targetMs } = row;
  return [
    row.fault,
    String(row.runs),
    String(row.ok),
    lostTold > 0 ? `${whole(lost)} (told: ${whole(lostTold)})` : whole(lost),
    whole(row.duplicated),
    whole(row.gaps),
    whole(row.otherwiseWrong),
    whole(row.incompleteDevices),
    ms(row.pauseMsMedian),
    ms(row.pauseMsMax),
    ms(row.pauseBeforeMs),
    targetMs === null ? '-' : `< ${ms(targetMs)}`,
    targetMs === null ? '-' : `${String(row.inTarget)} of ${String(row.runs)}`,
    whole(row.ackedPerSecond),
    row.loadAverageMax.toFixed(1),
  ];
}

/** For a terminal: columns aligned, the first to the left. */
export function textTable(rows: readonly FaultRow[]): readonly string[] {
  const all = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  return all.map((cells) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
  );
}

/** To paste into a document. */
export function markdownTable(rows: readonly FaultRow[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(HEADINGS),
    line(HEADINGS.map((_, at) => (at === 0 ? '---' : '---:'))),
    ...rows.map((row) => line(cellsOf(row))),
  ];
}
