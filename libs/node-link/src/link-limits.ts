/** What one node keeps of its links at most (I9). Bytes are those of payloads, and {@link RECORD_BYTES} a record. */
export interface LinkLimits {
  /** Records gather in one entry up to this; a larger one goes alone. About 1 ms of Redis and of the receiver. */
  readonly entryBytesMax: number;
  /** Of one request, answer or note. A larger request is `overloaded`, a larger note is lost; an answer is a bug. */
  readonly payloadBytesMax: number;
  /**
   * Calls to one node that wait for their answer; above it new ones are `overloaded`. Memory is the bound, so their bytes
   * bind first, unless they are tiny.
   */
  readonly unansweredMax: number;
  readonly unansweredBytesMax: number;
  /** Of calls to all nodes together: what this process keeps, however many nodes there are. */
  readonly unansweredBytesOverAllMax: number;
  /**
   * What waits to be sent to one node. Above it a call is `overloaded` and a note is lost; above twice of it an answer
   * is lost, too, and its caller asks again.
   */
  readonly queuedBytesMax: number;
  /** Of what waits to be sent to all nodes together; above it the same. */
  readonly queuedBytesOverAllMax: number;
  /** After this without a word from a node that owes an answer it is asked whether it heard everything. */
  readonly silenceMs: number;
  /** Before an entry that could not be added is tried again, doubled with each attempt, halved by chance. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
  /** Other nodes that are known at a time. */
  readonly linksMax: number;
}

/** What all links of a process keep together. */
export interface LinkSum {
  unansweredBytes: number;
  queuedBytes: number;
}

/** What a record is counted as, beside its payload. */
export const RECORD_BYTES = 16;

export const defaultLinkLimits: LinkLimits = {
  entryBytesMax: 256 * 1024,
  payloadBytesMax: 8 * 1024 * 1024,
  unansweredMax: 65_536,
  unansweredBytesMax: 16 * 1024 * 1024,
  unansweredBytesOverAllMax: 64 * 1024 * 1024,
  queuedBytesMax: 32 * 1024 * 1024,
  queuedBytesOverAllMax: 128 * 1024 * 1024,
  silenceMs: 2_000,
  retryMsMin: 5,
  retryMsMax: 250,
  linksMax: 1_024,
};
