/** What a crowd is told to do: as JSON, for it is a process of its own. */
export interface CrowdPlan {
  /** Devices take turns in connecting to them. */
  readonly websockets: readonly string[];
  /** Signs the users' tokens. */
  readonly secret: string;
  readonly conversation: string;
  /** One device each; the first of them write. */
  readonly users: readonly string[];
  readonly payloadBytes: number;
}

/** What one device must have heard in the end: all entries from the one to the other, each once. */
export interface ExpectedRange {
  /** Index of its user. */
  readonly user: number;
  readonly from: number;
  readonly to: number;
}

export type CrowdCommand =
  | { readonly op: 'open'; readonly plan: CrowdPlan }
  /** From here on so many of the first devices take turns in writing. Answered when nothing is under way of any other. */
  | { readonly op: 'write'; readonly writers: number; readonly perSecond: number }
  | { readonly op: 'tally' }
  /** Answered when every device has heard its last entry, or after a time. */
  | { readonly op: 'finish'; readonly expected: readonly ExpectedRange[] };

/** Counted from the beginning; times from the tally before. */
export interface CrowdTally {
  readonly sent: number;
  readonly acked: number;
  /** The longest time until an ack, milliseconds, those that are still awaited included. */
  readonly ackMsMax: number;
  /** The longest time in which nobody got an ack, milliseconds. */
  readonly pauseMsMax: number;
}

/** What everybody heard. Latencies are HDR histograms, compressed, in base64. */
export interface CrowdResult {
  readonly sent: number;
  readonly acked: number;
  /** Messages that devices were told of, their own included. */
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly gaps: number;
  readonly ack: string;
  readonly deliver: string;
  readonly faults: readonly string[];
}
