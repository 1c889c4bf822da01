/** One run of one fault, in numbers. Pauses in milliseconds. */
export interface FaultRecord {
  readonly kind: 'run';
  /** ISO 8601. */
  readonly at: string;
  readonly fault: string;
  readonly ok: boolean;
  /** Why it is not. */
  readonly why: string | null;
  readonly leaseMs: number;
  /** What the load was to write, a second. */
  readonly rate: number;
  readonly acked: number;
  readonly ackedPerSecond: number;
  readonly lost: number;
  /** Of the lost, those that a higher generation tells of. */
  readonly lostTold: number;
  readonly duplicated: number;
  readonly gaps: number;
  /** Conflicts, cursors gone back, messages out of order or refused for good. */
  readonly otherwiseWrong: number;
  readonly incompleteDevices: number;
  readonly unacknowledged: number;
  /** Of any one sender, from the fault on; null when the run gave none. */
  readonly pauseMs: number | null;
  /** The longest one that the same load had before, without a fault; records of before lack it. */
  readonly pauseBeforeMs?: number | null;
  readonly targetMs: number | null;
  readonly seconds: number;
  /** Where its logs are; null when they are gone, for nothing was wrong. */
  readonly logs: string | null;
}

/** Beside runs, a file of results has what a setting can take. */
export const isFaultRecord = (record: { readonly kind: string }): record is FaultRecord => record.kind === 'run';
