import type { FaultRecord } from '../faults/fault-record.ts';
import { alignedRows } from './text-table.ts';

/** One fault under load. Pauses are those of the sender who waited longest for an ack, milliseconds. */
export interface FailoverFigures {
  readonly pauseMs: number | null;
  /** The longest one that the same load had just before the fault. */
  readonly pauseBeforeMs: number | null;
  /** Wanted at most; null where none is named. */
  readonly targetMs: number | null;
  readonly ackedPerSecond: number;
  readonly seconds: number;
}

/** Of the record of a run. */
export const failoverFigures = (run: FaultRecord): FailoverFigures => ({
  pauseMs: run.pauseMs,
  pauseBeforeMs: run.pauseBeforeMs ?? null,
  targetMs: run.targetMs,
  ackedPerSecond: run.ackedPerSecond,
  seconds: run.seconds,
});

const ms = (value: number | null): string => (value === null ? '-' : Math.round(value).toLocaleString('en-US'));

/** For people. */
export const failoverLines = (faults: Readonly<Record<string, FailoverFigures>>): readonly string[] =>
  alignedRows([
    ['', 'longest pause ms', 'before it', 'wanted at most', 'acked/s', 'run took s'],
    ...Object.entries(faults).map(([name, { pauseMs, pauseBeforeMs, targetMs, ackedPerSecond, seconds }]) => [
      name,
      ms(pauseMs),
      ms(pauseBeforeMs),
      ms(targetMs),
      ms(ackedPerSecond),
      ms(seconds),
    ]),
  ]);
