import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SenderPause } from '../../apps/cli/src/live/live-report.ts';
import type { LostMessage } from '../../apps/cli/src/live/stored-check.ts';
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

/** One run of one fault. Pauses in milliseconds. */
export interface RunRecord {
  readonly kind: 'run';
  readonly at: string;
  readonly fault: string;
  readonly commit: string | null;
  readonly machine: string;
  readonly ok: boolean;
  /** Why it is not. */
  readonly why: string | null;
  readonly leaseMs: number;
  readonly capacityPerSecond: number | null;
  /** What the load was to write, a second. */
  readonly rate: number;
  readonly acked: number;
  readonly ackedPerSecond: number;
  readonly lost: number;
  /** Of the lost, those that a higher generation tells of. */
  readonly lostTold: number;
  readonly lostMessages: readonly LostMessage[];
  readonly duplicated: number;
  readonly gaps: number;
  /** Conflicts, cursors gone back, messages out of order or refused for good. */
  readonly otherwiseWrong: number;
  readonly incompleteDevices: number;
  readonly unacknowledged: number;
  /** Of any one sender, from the fault on; null when the run gave none. */
  readonly pauseMs: number | null;
  readonly pauseAt: string | null;
  /** The longest one that the same load had before, without a fault; records of before lack it. */
  readonly pauseBeforeMs?: number | null;
  readonly overallPauseMs: number | null;
  /** The longest ones of all senders, from the fault on. */
  readonly longestPauses: readonly SenderPause[];
  readonly targetMs: number | null;
  /** How long the load's own process stood still at most: no pause is measured finer. */
  readonly ownDelayMs: number | null;
  /** Over one minute, before the run and at its end. */
  readonly loadAverage: readonly [number, number];
  readonly seconds: number;
  /** What happened when. */
  readonly story: readonly string[];
  /** Where its logs are; null when they are gone, for nothing was wrong. */
  readonly logs: string | null;
}

export type ResultRecord = CapacityRecord | RunRecord;

/** The records of a file of JSON Lines, in their order. A last line that was cut off by a crash is left out. */
export function readResults(path: string): readonly ResultRecord[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, index, lines) => {
      if (line.trim() === '') return [];
      try {
        return [JSON.parse(line) as ResultRecord];
      } catch (error) {
        if (index === lines.length - 1) return [];
        throw new Error(`line ${String(index + 1)} of ${path} is no JSON`, { cause: error });
      }
    });
}

export function appendResult(path: string, record: ResultRecord): void {
  mkdirSync(dirname(path), { recursive: true });
  // A line that a crash cut off is of no use to anybody.
  const whole = existsSync(path) ? readFileSync(path).lastIndexOf('\n') + 1 : 0;
  if (existsSync(path)) truncateSync(path, whole);
  appendFileSync(path, `${JSON.stringify(record)}\n`);
}
