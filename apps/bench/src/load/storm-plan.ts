import type { LoginFaults, MissedStream } from './login-plan.ts';

/** Devices that come back all at once. As JSON: the load is a process of its own. */
export interface StormPlan {
  readonly secret: string;
  /** A device each. */
  readonly users: readonly string[];
  readonly device: string;
  /** Loopback addresses to come from, in turn: of one there are too few ports for many rounds. */
  readonly localAddresses: readonly string[];
  readonly payloadBytes: number;
}

export type StormCommand =
  /** Every device logs in for the first time, keeps its sync token, and goes. */
  | { readonly op: 'enrol'; readonly plan: StormPlan; readonly websockets: readonly string[] }
  /** All come back at the same moment with those tokens, and stay. */
  | {
      readonly op: 'storm';
      readonly websockets: readonly string[];
      readonly streams: readonly MissedStream[];
      /** For each user, which of the streams they missed. */
      readonly missed: readonly (readonly number[])[];
      /** Then what is not there yet is given up. */
      readonly giveUpMs: number;
    }
  /** They go. */
  | { readonly op: 'leave' };

export interface StormResult {
  readonly devices: number;
  /** From the beginning until the last one had everything. */
  readonly seconds: number;
  /** HDR histograms over the devices, from the beginning: until `connected`, until everything was there. */
  readonly connected: string;
  readonly synced: string;
  /** Devices that were done, for each tenth of a second. */
  readonly series: readonly number[];
  /** Connections that were refused or lost, and tried again. */
  readonly retries: number;
  /** Requests that were refused, and asked again. */
  readonly repeated: number;
  readonly checked: { readonly delivered: number; readonly expected: number } & LoginFaults;
  readonly faults: readonly string[];
}
