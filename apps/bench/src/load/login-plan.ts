/** What a device missed of one conversation: messages of one writer, numbered from 1, that have seqs without a gap. */
export interface MissedStream {
  /** As the messages' bodies name it. */
  readonly stream: number;
  readonly conversation: string;
  /** The seq of message 1. */
  readonly firstSeq: number;
  readonly messages: number;
}

/** One device that was away. As JSON: a load is a process of its own. */
export interface DevicePlan {
  readonly websocket: string;
  /** Says who it is. */
  readonly jwt: string;
  readonly device: string;
  /** What it kept from the last sync; null for a new device. */
  readonly syncToken: string | null;
  /** `sync`: it asks what it has missed. `history`: it knows where the conversations stand, and asks for ranges of them. */
  readonly by: 'sync' | 'history';
  /** Messages in one answer. */
  readonly limit: number;
  readonly missed: readonly MissedStream[];
  readonly payloadBytes: number;
  /** A loopback address to come from; null leaves it to the system. */
  readonly localAddress: string | null;
}

export type LoginsCommand =
  | { readonly op: 'plan'; readonly devices: Readonly<Record<string, DevicePlan>> }
  /** Logs that device in, takes everything and closes, over and over for that time. */
  | { readonly op: 'repeat'; readonly name: string; readonly warmupMs: number; readonly measureMs: number };

export interface LoginsResult {
  readonly logins: number;
  readonly messages: number;
  /** Answers with messages. */
  readonly answers: number;
  readonly seconds: number;
  /** From the first packet to the last message, an HDR histogram. */
  readonly login: string;
  /** Over the whole run, warm-up included. */
  readonly checked: { readonly delivered: number; readonly expected: number } & LoginFaults;
  readonly faults: readonly string[];
}

export interface LoginFaults {
  readonly missing: number;
  readonly duplicated: number;
  readonly gaps: number;
}
