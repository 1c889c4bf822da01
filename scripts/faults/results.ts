import type { LostMessage } from '../../apps/cli/src/live/stored-check.ts';
import type { SenderPause } from '../../apps/cli/src/live/live-report.ts';
import type { FaultRecord } from '../../apps/bench/src/faults/fault-record.ts';
import { appendLine, readLines } from '../../apps/bench/src/faults/record-lines.ts';
import type { Setting } from './setting.ts';

/** What the load reached when it wrote as fast as it could, in one setting. */
export interface CapacityRecord {
  readonly kind: 'capacity';
  readonly at: string;
  readonly setting: Setting;
  readonly commit: string | null;
  readonly machine: string;
  /** Acknowledged messages a second, until every device had all of them. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly how: string;
  readonly loadAverage: number;
}

/** One run of one fault, with what tells how it came about. */
export interface RunRecord extends FaultRecord {
  readonly commit: string | null;
  readonly machine: string;
  readonly capacityPerSecond: number | null;
  readonly lostMessages: readonly LostMessage[];
  readonly pauseAt: string | null;
  readonly overallPauseMs: number | null;
  /** The longest ones of all senders, from the fault on. */
  readonly longestPauses: readonly SenderPause[];
  /** How long the load's own process stood still at most: no pause is measured finer. */
  readonly ownDelayMs: number | null;
  /** Over one minute, before the run and at its end. */
  readonly loadAverage: readonly [number, number];
  /** What happened when. */
  readonly story: readonly string[];
}

export type ResultRecord = CapacityRecord | RunRecord;

/** The records of a file of JSON Lines, in their order. A last line that was cut off by a crash is left out. */
export const readResults = (path: string): readonly ResultRecord[] => readLines(path) as readonly ResultRecord[];

export const appendResult = (path: string, record: ResultRecord): void => {
  appendLine(path, record);
};
